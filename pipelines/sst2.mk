# SST-2 (Stanford Sentiment Treebank, GLUE's TSV: `sentence TAB label` with a header).
#
#     make all model
#     make -f pipelines/sst2.mk TRAIN=SST-2/train.tsv VAL=SST-2/dev.tsv
#
# Labels stay the names that the file has, 0 (negative) and 1 (positive).

include pipelines/common.mk

TRAIN         ?= data/SST-2/train.tsv
VAL           ?= data/SST-2/dev.tsv
MODEL         ?= models/all-minilm-l6-v2
OUT           ?= models/sst2
WORK          ?= build/sst2
TRAIN_OPTIONS ?= --learning-rate 5e-5 --batch-size 32 --precision auto

TOKENIZE := $(BIN)/bs-tokenize -m $(MODEL) -f tsv --text sentence --label label -t msgpack
BEST     := $(OUT)/best

$(call given,TRAIN VAL)

.PHONY: sst2
sst2: $(WORK)/metrics.tsv
	@cat $<

$(WORK)/train.msgpack: $(TRAIN)
$(WORK)/val.msgpack: $(VAL)
$(WORK)/%.msgpack:
	@mkdir -p $(@D)
	$(call step,tokenize ($*),$(TOKENIZE) -o $@ $<)

$(BEST)/bs.json: $(WORK)/train.msgpack $(WORK)/val.msgpack
	$(call step,train,$(BIN)/bs-train -m $(MODEL) -o $(OUT) $(TRAIN_OPTIONS) -f msgpack \
	    --eval-data $(WORK)/val.msgpack $(WORK)/train.msgpack)
	@touch $@

$(WORK)/metrics.tsv: $(WORK)/val.msgpack $(BEST)/bs.json
	$(call step,predict and eval,$(BIN)/bs-predict -m $(BEST) -f msgpack -t msgpack $< | \
	    $(BIN)/bs-eval -f msgpack -o $@)
