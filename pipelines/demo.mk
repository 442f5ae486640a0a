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
WORK           ?= build/$(notdir $(DEMO_OUT))

SPLIT    := --split train=80,val=20
TOKENIZE := $(BIN)/bs-tokenize -m $(MODEL) $(SPLIT) -t msgpack
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

$(WORK)/train.msgpack: $(DATA)
	@mkdir -p $(@D)
	$(call step,tokenize (training),$(TOKENIZE) --part train -o $@ $<)

$(WORK)/val.msgpack: $(DATA)
	@mkdir -p $(@D)
	$(call step,tokenize (validation),$(TOKENIZE) --part val -o $@ $<)

TRAIN := $(BIN)/bs-train -m $(MODEL) -o $(DEMO_OUT) --learning-rate 5e-5 --batch-size 8 \
         --epochs 3 --warmup-steps 300 --precision $(DEMO_PRECISION) \
         $(if $(filter-out 0,$(DEMO_MAX_STEPS)),--max-steps $(DEMO_MAX_STEPS))
$(BEST)/bs.json: $(WORK)/train.msgpack $(WORK)/val.msgpack
	$(call step,train,$(TRAIN) -f msgpack --eval-data $(WORK)/val.msgpack $(WORK)/train.msgpack)
	@touch $@

$(WORK)/metrics.tsv: $(WORK)/val.msgpack $(BEST)/bs.json
	$(call step,predict and eval,$(BIN)/bs-predict -m $(BEST) -f msgpack -t msgpack $< | \
	    $(BIN)/bs-eval -f msgpack -o $@)

$(WORK)/samples.tsv: $(BEST)/bs.json
	$(call step,label,printf '%s\n' $(SAMPLES) | $(BIN)/bs-predict -m $(BEST) -f lines -o $@)

$(WORK)/demo.bundle: $(BEST)/bs.json
	$(call step,export,$(BIN)/bs-export -m $(BEST) --to bundle -o $@)
