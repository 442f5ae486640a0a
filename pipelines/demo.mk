# The demo: fine-tunes the default model on 8,429 sentences from film reviews and
# judges it on the 2,176 others. Run by `make demo`; what is done is not done again.
#
# On two cores of an AMD EPYC with AVX-512 bf16: 8 minutes; accuracy 0.858, F1 0.858.
#
# DEMO_PRECISION  bf16 where the processor has it, else fp32 (auto)
# DEMO_MAX_STEPS  shortens the training (0: three whole epochs)
# DEMO_OUT        training folder (a shortened run has one of its own)

include pipelines/common.mk

MODEL          ?= models/all-minilm-l6-v2
DATA           ?= data/film-reviews.tsv
DEMO_PRECISION ?= auto
DEMO_MAX_STEPS ?= 0
DEMO_OUT       ?= models/demo$(if $(filter-out 0,$(DEMO_MAX_STEPS)),-$(DEMO_MAX_STEPS))
WORK           ?= $(call work_for,$(DEMO_OUT))

SPLIT    := --split train=80,val=20
TOKENIZE := bs-tokenize -m $(MODEL) $(SPLIT) -t msgpack
FINETUNE := bs-train -m $(MODEL) -o $(DEMO_OUT) --learning-rate 5e-5 --batch-size 8 \
            --epochs 3 --warmup-steps 300 --precision $(DEMO_PRECISION) \
            $(if $(filter-out 0,$(DEMO_MAX_STEPS)),--max-steps $(DEMO_MAX_STEPS))
SETTINGS := $(DATA): $(TOKENIZE); $(FINETUNE)
BEST     := $(DEMO_OUT)/best
SAMPLES  := 'A warm, funny and beautifully played little film.' \
            'Two hours of my life that nobody will give back.' \
            'I laughed exactly once, and that was at the subtitles.'

.PHONY: demo
demo: $(WORK)/metrics.tsv $(WORK)/samples.tsv $(WORK)/demo.bundle
	@echo "== metrics on the 20 % that were not trained on"
	@cat $(WORK)/metrics.tsv
	@echo "== labels of three new sentences"
	@cat $(WORK)/samples.tsv
	@echo "== model directory: $(BEST)"

$(WORK)/train.msgpack: $(DATA) $(WORK)/settings
	$(call step,tokenize (training),$(BIN)/$(TOKENIZE) --part train -o $@ $<)

$(WORK)/val.msgpack: $(DATA) $(WORK)/settings
	$(call step,tokenize (validation),$(BIN)/$(TOKENIZE) --part val -o $@ $<)

# Stopped, it goes on with the next make: bs-train alone writes the training folder.
$(WORK)/trained: $(WORK)/train.msgpack $(WORK)/val.msgpack $(call unless,$(BEST)/bs.json)
	$(call step,train,$(BIN)/$(FINETUNE) -f msgpack --eval-data $(WORK)/val.msgpack \
	    $(WORK)/train.msgpack)
	@touch $@

$(WORK)/metrics.tsv: $(WORK)/val.msgpack $(WORK)/trained
	$(call step,predict and eval,$(BIN)/bs-predict -m $(BEST) -f msgpack -t msgpack $< | \
	    $(BIN)/bs-eval -f msgpack -o $@)

$(WORK)/samples.tsv: $(WORK)/trained
	$(call step,label,printf '%s\n' $(SAMPLES) | $(BIN)/bs-predict -m $(BEST) -f lines -o $@)

$(WORK)/demo.bundle: $(WORK)/trained
	$(call step,export,$(BIN)/bs-export -m $(BEST) --to bundle -o $@)
