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
WORK          ?= $(call work_for,$(OUT))
TRAIN_OPTIONS ?= --learning-rate 5e-5 --batch-size 32 --precision auto

TOKENIZE := bs-tokenize -m $(MODEL) -f tsv --text sentence --label label -t msgpack
FINETUNE := bs-train -m $(MODEL) -o $(OUT) $(TRAIN_OPTIONS)
SETTINGS := $(TRAIN) $(VAL): $(TOKENIZE); $(FINETUNE)
BEST     := $(OUT)/best

$(call given,TRAIN VAL)

.PHONY: sst2
sst2: $(WORK)/metrics.tsv
	@cat $<

$(WORK)/train.msgpack: $(TRAIN) $(WORK)/settings
$(WORK)/val.msgpack: $(VAL) $(WORK)/settings
$(WORK)/%.msgpack:
	$(call step,tokenize ($*),$(BIN)/$(TOKENIZE) -o $@ $<)

# Stopped, it goes on with the next make: bs-train alone writes the training folder.
$(WORK)/trained: $(WORK)/train.msgpack $(WORK)/val.msgpack $(call unless,$(BEST)/bs.json)
	$(call step,train,$(BIN)/$(FINETUNE) -f msgpack --eval-data $(WORK)/val.msgpack \
	    $(WORK)/train.msgpack)
	@touch $@

$(WORK)/metrics.tsv: $(WORK)/val.msgpack $(WORK)/trained
	$(call step,predict and eval,$(BIN)/bs-predict -m $(BEST) -f msgpack -t msgpack $< | \
	    $(BIN)/bs-eval -f msgpack -o $@)
