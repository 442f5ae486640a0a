# bs: fine-tune BERT for text classification and label text streams.
#
#   make          the five tools, in bin/
#   make demo     everything, from set-up to a trained model and its figures
#   make test     everything that is tested
#   make help     all targets
#
# One makefile for all folders. Objects go to build/VARIANT/, so a sanitizer build never
# mixes with a release. `V=1` shows the commands.

# ONEDNN=0 leaves out the CPU back end; BARE=1 builds what needs nothing but a C compiler:
# lib/{common,record,compute,batch,model,infer} and their tests, without the files in
# WITH_LIBRARIES, which read compressed data or model directories.

.DEFAULT_GOAL := all
comma := ,

VARIANT ?= release
ONEDNN  ?= $(if $(BARE),0,1)
B       := build/$(VARIANT)$(if $(BARE),-bare,$(if $(filter 0,$(ONEDNN)),-ref))
BIN     := $(if $(filter build/release,$(B)),bin,$(B)/bin)
PREFIX  ?= /usr/local
CC      ?= cc
Q       := $(if $(V),,@)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla -Wwrite-strings
# Parity depends on these: no contraction across statements, no fast math.
FLOATING := -ffp-contract=off -fno-math-errno -fno-trapping-math
# What an error in memory must get past. The same bytes come out wherever it is built.
HARDENED := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE \
            $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
VARIANT_FLAGS_release := -O2 -g $(HARDENED) -ffile-prefix-map=$(CURDIR)=.
VARIANT_FLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
                         -fno-omit-frame-pointer
VARIANT_FLAGS_tsan    := -O1 -g -fsanitize=thread
VARIANT_FLAGS_valgrind := -O1 -g
# Each function for itself: where one is expanded in all its callers, a file takes hours.
VARIANT_FLAGS_analyzer := -fanalyzer -D'BS_INLINE=static inline __attribute__((unused))'
# By clang.
VARIANT_FLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow \
                      -fno-sanitize-recover=all -fno-omit-frame-pointer -DBS_READ_SIZE=256
VARIANT_FLAGS_afl := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
# Lines alone: where variables are doubles the time of compiling.
VARIANT_FLAGS_standin := $(VARIANT_FLAGS_asan) -g1
CPPFLAGS += -D_GNU_SOURCE -Ilib -Itests -I$(B) -MMD -MP
CFLAGS   := -std=c17 $(WARNINGS) $(FLOATING) $(VARIANT_FLAGS_$(VARIANT)) $(CFLAGS_EXTRA)
LDFLAGS  += $(filter -fsanitize%,$(CFLAGS)) $(if $(filter release,$(VARIANT)),-pie -Wl$(comma)-z$(comma)relro$(comma)-z$(comma)now)
LDLIBS   := $(if $(BARE),,-larchive -lmsgpackc -ljansson -lz -llzma -lzstd) -lpthread -lm

TOOLS    := tokenize train eval predict export
LIB_SRC  := $(filter-out $(wildcard lib/compute/cpu/kernels*.c),$(wildcard lib/*/*.c lib/compute/*/*.c))
# lib/compute/cuda becomes a library of its own, below.
LIB_SRC  := $(filter-out lib/compute/cuda/%,$(LIB_SRC))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
# One source of vector kernels, compiled once for each instruction set.
ISAS     := plain avx2 avx512 avx512vnni avx512bf16
ISA_FLAGS_plain  :=
ISA_FLAGS_avx2   := -mavx2 -mfma -mf16c
ISA_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mprefer-vector-width=512
ISA_FLAGS_avx512vnni := $(ISA_FLAGS_avx512) -mavx512vnni -DBS_ISA_avx512=1
ISA_FLAGS_avx512bf16 := $(ISA_FLAGS_avx512vnni) -mavx512bf16
# Of these two, products alone: with the tiles of AMX, and with what stands in for them.
ISA_FLAGS_avx512amx   := $(ISA_FLAGS_avx512bf16) -DBS_TILES -mamx-tile -mamx-int8
ISA_FLAGS_avx512tiles := $(ISA_FLAGS_avx512vnni) -DBS_TILES -DBS_TILES_IN_C
KERNELS  := $(wildcard lib/compute/cpu/kernels*.c)
CPU_SRC  := $(filter-out $(KERNELS),$(wildcard lib/compute/cpu/*.c))
ifeq ($(ONEDNN),0)
LIB_OBJ  := $(filter-out $(B)/lib/compute/cpu/%,$(LIB_OBJ))
else
LDLIBS   := -ldnnl $(LDLIBS)
LIB_OBJ  += $(foreach isa,$(if $(filter x86_64,$(shell uname -m)),$(ISAS),plain),$(KERNELS:lib/%.c=$(B)/lib/%.$(isa).o))
LIB_OBJ  += $(if $(filter x86_64,$(shell uname -m)),$(B)/lib/compute/cpu/kernels_product.avx512amx.o)
endif
ifdef BARE
BARE_ROOMS     := common record compute batch model infer
WITH_LIBRARIES := common/crc model/load
LIB_OBJ  := $(filter $(BARE_ROOMS:%=$(B)/lib/%/%) $(B)/lib/store/tensor_specs.o \
              $(B)/lib/learn/schedule.o,$(filter-out $(WITH_LIBRARIES:%=$(B)/lib/%.o),$(LIB_OBJ)))
endif

# CUDA without a GPU: in VARIANT=standin the .cu files and their host code are compiled
# for the CPU, by g++, against the stand-in for the CUDA run time and cuBLASLt that lies
# in tests/standin, and are part of libbs.a with it. The stand-in itself is not
# sanitized: it is fast and may look at what is poisoned.
#
# NAME.race is test NAME with device code that is watched for races instead: the calls of
# -fsanitize=thread go to the stand-in.
CUDA_SRC    := $(wildcard lib/compute/cuda/*.cu)
STANDIN_SRC := $(wildcard tests/standin/standin_*.cc)
CUDA_KERNEL_TESTS := $(wildcard tests/cuda/test_*.cu)
CUDA_TESTS  := $(patsubst %.cu,build/standin/%,$(CUDA_KERNEL_TESTS)) \
               $(patsubst %.c,build/standin/%,$(wildcard tests/cuda/test_*.c)) \
               $(wildcard tests/cuda/*.bats) \
               $(addprefix build/standin/tests/compute/,test_contract test_formulas test_adamw \
                   test_backends test_gradients test_independence) \
               $(addprefix build/standin/tests/parity/,test_model test_minilm) \
               build/standin/tests/unit/test_infer \
               $(patsubst %.cc,build/standin/%,$(filter-out %_races.cc,$(wildcard tests/standin/test_*.cc))) \
               $(patsubst %.cu,build/standin/%.race,$(CUDA_KERNEL_TESTS)) \
               build/standin/tests/standin/test_races.race
LIB_OBJ     := $(filter-out $(B)/lib/compute/cuda/%,$(LIB_OBJ))
ifeq ($(VARIANT),standin)
CPPFLAGS += -DBS_STANDIN -DBS_WITH_CUDA -Itests/standin
CXXFLAGS := -std=c++17 $(filter-out -Wshadow -Wstrict-prototypes -Wmissing-prototypes,$(WARNINGS)) \
            -Wno-unknown-pragmas $(FLOATING) $(CFLAGS_EXTRA)
# Without three checks that take as long to compile as -O2 does; the address sanitizer
# finds the accesses that they warn of.
SANITIZE := $(VARIANT_FLAGS_standin) -O2 -fno-sanitize=vptr,null,pointer-overflow,object-size
WATCH    := -O1 -g1 -fsanitize=thread --param tsan-instrument-func-entry-exit=0
LDLIBS   += -lstdc++
LIB_OBJ  += $(patsubst %.c,$(B)/%.o,$(wildcard lib/compute/cuda/*.c)) \
            $(STANDIN_SRC:%.cc=$(B)/%.o)
RACE_OBJ := $(LIB_OBJ) $(CUDA_SRC:%.cu=$(B)/%.race.o)
LIB_OBJ  += $(CUDA_SRC:%.cu=$(B)/%.o)

define cxx_rule
$(B)/%$(1): %$(2)
	$$(Q)mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CXX   $$<$(if $(filter %.race.o,$(1)), (watched))")
	$$(Q)$$(CXX) $$(CPPFLAGS) $$(CXXFLAGS) $$($(3)) -x c++ -c $$< -o $$@
endef
$(eval $(call cxx_rule,.race.o,.cc,WATCH))
$(eval $(call cxx_rule,.race.o,.cu,WATCH))
$(eval $(call cxx_rule,.o,.cc,SANITIZE))
$(eval $(call cxx_rule,.o,.cu,SANITIZE))
$(B)/tests/standin/standin_%.o: SANITIZE := -O2 -g -fno-strict-aliasing
# Nor is what the device is compared with.
$(B)/lib/compute/ref/%.o $(B)/lib/common/random.o: CFLAGS += -O2 -fno-sanitize=all

$(B)/libbs-race.a: $(RACE_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/tests/%.race: $(B)/tests/%.race.o $(B)/libbs-race.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(patsubst %.c,$(B)/%.race,$(wildcard tests/*/test_*.c)): %.race: %.o $(B)/libbs-race.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: cuda-tests-build
cuda-tests-build: all $(filter-out %.bats,$(CUDA_TESTS)) $(B)/bench/gpu/gpu
endif

.PHONY: test-cuda
test-cuda: ## the CUDA back end without a GPU, against a stand-in for the CUDA run time
	$(Q)$(MAKE) --no-print-directory VARIANT=standin cuda-tests-build
	$(Q)BS_PTXAS="$(CUDA_PTXAS)" tests/run.sh tests/cuda/spills.sh $(CUDA_TESTS)

TOOL_BIN := $(TOOLS:%=$(BIN)/bs-%)
# Tests of the model that read no directory.
BARE_PARITY := tests/parity/test_model.c tests/parity/test_model_dropout.c
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
TEST_SRC := $(if $(BARE),$(BARE_PARITY),$(wildcard tests/unit/test_*.c tests/parity/test_*.c) $(FUZZ_SRC)) \
            $(wildcard tests/compute/test_*.c)
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)

# Objects of tests are kept: rebuilding is the exception.
.SECONDARY:

.PHONY: all
all: $(filter $(foreach t,$(TOOLS),$(if $(wildcard tools/$t/*.c),$(BIN)/bs-$t)),$(TOOL_BIN)) ## the five tools, in bin/
	@:

$(B)/libbs.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# The list of back ends; made anew when the CPU back end comes or goes.
ifneq ($(ONEDNN),0)
$(B)/lib/compute/compute.o: $(CPU_SRC)
$(B)/lib/compute/compute.o: CPPFLAGS += $(if $(CPU_SRC),-DBS_WITH_CPU)
endif

define isa_rule
$(B)/lib/%.$(1).o: lib/%.c
	$$(Q)mkdir -p $$(@D)
	$$(if $$(V),,@echo "  CC    $$< ($(1))")
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$(ISA_FLAGS_$(1)) -DBS_ISA=$(1) -DBS_ISA_$(1)=1 -c $$< -o $$@
endef
$(foreach isa,$(ISAS) avx512amx avx512tiles,$(eval $(call isa_rule,$(isa))))

define tool_rule
$(BIN)/bs-$(1): $(patsubst %.c,$(B)/%.o,$(wildcard tools/$(1)/*.c)) $(B)/libbs.a
	$$(Q)mkdir -p $$(@D)
	$$(if $$(V),,@echo "  LINK  $$@")
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach tool,$(TOOLS),$(eval $(call tool_rule,$(tool))))

ifeq ($(shell uname -m),x86_64)
$(B)/tests/compute/test_amx_tiles: $(B)/lib/compute/cpu/kernels_product.avx512tiles.o
endif

$(B)/tests/%: $(B)/tests/%.o $(B)/libbs.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

.PHONY: tests-build
tests-build: $(TEST_BIN)

# C tests print TAP; this runs them without the rest of `make test`.
.PHONY: test-c
test-c: $(TEST_BIN) ## the C tests alone (TAP)
	$(Q)status=0; for test in $(TEST_BIN); do echo "# $$test"; $$test || status=1; done; exit $$status

# What tests load into programs, by a compiler that puts nothing of its own into it.
$(B)/tests/%.so: tests/%.c
	$(Q)mkdir -p $(@D)
	$(Q)cc -std=c17 $(WARNINGS) -D_GNU_SOURCE -O1 -g -fPIC -shared -o $@ $< -Wl,--as-needed -lz

# ---- fuzzing ---------------------------------------------------------------------------
# What reads files and command lines, on hostile input. A target is linked with libFuzzer
# in VARIANT=fuzz; everywhere else it is a test, that runs once over its corpus.

FUZZ         ?= $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)
FUZZ_SECONDS ?= 60
FUZZ_PARTS   := $(addprefix tests/fuzz/,help.c records.c tokens.c replay.c)
FUZZ_SHARED  := $(if $(filter fuzz,$(VARIANT)),$(filter-out %/replay.c,$(FUZZ_PARTS)),$(FUZZ_PARTS))
VIRTUAL      := stat lstat fstat statx clock_gettime poll inotify_init1
FUZZ_BUILD   := --no-print-directory VARIANT=fuzz ONEDNN=0 CC=clang fuzz-build

$(B)/tests/fuzz/replay.o: CPPFLAGS += -DBS_SANITIZED=$(if $(filter -fsanitize%,$(CFLAGS)),1,0)
$(B)/tests/fuzz/fuzz_follow: $(B)/tests/fuzz/virtual.o
$(B)/tests/fuzz/fuzz_follow: LDFLAGS += $(VIRTUAL:%=-Wl,--wrap=%)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(FUZZ_SHARED:%.c=$(B)/%.o) $(B)/libbs.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $^ $(LDLIBS)

.PHONY: fuzz fuzz-merge fuzz-build fuzz-tools fuzz-tools-build
fuzz: ## readers on hostile input: FUZZ="jsonl csv", FUZZ_SECONDS=60 for each
	$(Q)$(call setup,build fuzz)
	$(Q)$(MAKE) $(FUZZ_BUILD)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh build/fuzz-ref/tests/fuzz $(FUZZ)
fuzz-merge: ## their corpora in tests/fuzz/corpus anew, with what `make fuzz` has added
	$(Q)$(MAKE) $(FUZZ_BUILD)
	$(Q)tests/fuzz/run.sh --merge build/fuzz-ref/tests/fuzz $(FUZZ)
FUZZ_KINDS ?= lines tsv csv jsonl tree auto tokens predictions answers bundle config vocabulary \
              tokenizer weights checkpoint tokenize_numbers predict_numbers eval_numbers train_numbers
fuzz-tools: ## the tools themselves on such files: FUZZ_KINDS="tsv bundle", FUZZ_SECONDS=60 for each
	$(Q)$(call setup,build test fuzz)
	$(Q)AFL_QUIET=1 $(MAKE) --no-print-directory VARIANT=afl ONEDNN=0 CC=afl-clang-fast fuzz-tools-build
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/tools.sh build/afl-ref/bin $(FUZZ_KINDS)
fuzz-build: $(FUZZ:%=$(B)/tests/fuzz/fuzz_%)
fuzz-tools-build: all $(B)/tests/fuzz/values.so $(B)/tests/fuzz/seal.so

# ---- CUDA ----------------------------------------------------------------------------
# libbs-cuda.so, beside the tools; they open it when a GPU is asked for, so the same
# tools run where there is none. CUDA=0 leaves it out. CUDA_ARCH: "native", or numbers
# such as "75 90"; by default all that are served, and PTX for what comes later.

NVCC      ?= nvcc
CUDA      ?= $(if $(shell command -v $(NVCC)),1,0)
CUDA_ARCH ?= $(if $(BARE),native,75 80 86 89 90 100 120)
CUDA_HOME ?= $(patsubst %/bin/,%,$(dir $(realpath $(shell command -v $(NVCC)))))
CUDA_LIB  := $(BIN)/libbs-cuda.so
CUDA_B    := $(B)/pic
CUDA_OBJ  := $(patsubst %,$(CUDA_B)/%.o,$(wildcard lib/compute/cuda/*.c lib/compute/cuda/*.cu) \
             lib/common/error.c lib/common/buffer.c lib/compute/queue.c lib/compute/types.c)
GENCODE   := $(if $(filter native,$(CUDA_ARCH)),-arch=native,\
             $(foreach a,$(CUDA_ARCH),-gencode arch=compute_$a,code=sm_$a) \
             -gencode arch=compute_75,code=compute_75)
NVCCFLAGS := -std=c++17 -O3 -lineinfo --fmad=true -Werror all-warnings -Ilib -Itests $(GENCODE) \
             -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra
# What ptxas said of each kernel: registers, local memory.
CUDA_PTXAS := $(if $(filter 1,$(CUDA)),$(patsubst %.cu,$(CUDA_B)/%.cu.ptxas,$(CUDA_SRC)))

# Not sanitized, and not for those that are: the stand-in is.
ifeq ($(CUDA)$(VARIANT),1release)
all: $(CUDA_LIB)
endif

$(CUDA_B)/%.c.o: %.c
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $< (pic)")
	$(Q)$(CC) $(CPPFLAGS) -isystem $(CUDA_HOME)/include $(CFLAGS) -fPIC -fvisibility=hidden -c $< -o $@

$(CUDA_B)/%.cu.o $(CUDA_B)/%.cu.ptxas: %.cu
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  NVCC  $<")
	$(Q)$(NVCC) $(NVCCFLAGS) -Xptxas -v -MD -MP -MF $(CUDA_B)/$<.d -c $< \
	    -o $(CUDA_B)/$<.o 2>$(CUDA_B)/$<.ptxas || { cat $(CUDA_B)/$<.ptxas; false; }

$(CUDA_LIB): $(CUDA_OBJ)
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo "  LINK  $@")
	$(Q)$(NVCC) -shared -cudart static -o $@ $^ -L$(CUDA_HOME)/lib64 -lcublasLt \
	    -Xlinker -rpath,'$$ORIGIN':$(CUDA_HOME)/lib64 -Xlinker --no-undefined

.PHONY: cuda
cuda: $(CUDA_LIB) ## the CUDA back end alone, bin/libbs-cuda.so

test-cuda: $(CUDA_PTXAS)

.PHONY: cuda-spills
cuda-spills: $(CUDA_PTXAS) ## registers and local memory of each kernel; none may spill
	$(Q)BS_PTXAS="$(CUDA_PTXAS)" tests/cuda/spills.sh

# ---- on a machine with a GPU -----------------------------------------------------------
# Needs nvcc, a C compiler and make, and nothing of what the other tools need: a bare
# build, and libbs-cuda.so for the GPU that is there.

ON_GPU    := $(MAKE) --no-print-directory -j $(shell nproc) BARE=1
GPU_B     := build/release-bare
GPU_RUN   := LD_LIBRARY_PATH=$(GPU_B)/bin BS_TEST_DEVICE=cuda TEST_JOBS=1 tests/run.sh
GPU_KERNEL_TESTS := $(CUDA_KERNEL_TESTS:%.cu=$(GPU_B)/%)
GPU_OPS   := $(addprefix $(GPU_B)/tests/compute/test_,contract formulas adamw backends gradients independence)
GPU_PARITY := $(BARE_PARITY:%.c=$(GPU_B)/%)
GPU_BENCH := $(GPU_B)/bench/gpu/gpu
# What compute-sanitizer has time for.
GPU_SMALL := $(GPU_KERNEL_TESTS) $(GPU_B)/tests/compute/test_adamw

.PHONY: gpu-check gpu-check-ops gpu-check-golden gpu-check-bench gpu-check-build
gpu-check: ## on a machine with a GPU: all three below, in less than 8 minutes
	$(Q)status=0; for part in ops golden bench; do \
	    $(MAKE) --no-print-directory gpu-check-$$part || status=1; done; exit $$status
gpu-check-ops: ## every operation on the GPU, then compute-sanitizer
	$(Q)$(ON_GPU) $(GPU_OPS) $(GPU_KERNEL_TESTS) $(GPU_B)/bin/libbs-cuda.so
	$(Q)SANITIZE="$(GPU_SMALL)" $(GPU_RUN) $(GPU_KERNEL_TESTS) $(GPU_OPS) tests/cuda/sanitize.sh
gpu-check-golden: ## the golden files on the GPU
	$(Q)$(ON_GPU) $(GPU_PARITY) $(GPU_B)/bin/libbs-cuda.so
	$(Q)$(GPU_RUN) $(GPU_PARITY)
gpu-check-bench: ## training and labelling on the GPU, bs beside PyTorch, to bench/results
	$(Q)$(ON_GPU) $(GPU_BENCH) $(GPU_B)/bin/libbs-cuda.so
	$(Q)LD_LIBRARY_PATH=$(GPU_B)/bin bench/gpu.sh $(GPU_BENCH)
gpu-check-build: ## what gpu-check runs, without running it
	$(Q)$(ON_GPU) $(GPU_OPS) $(GPU_KERNEL_TESTS) $(GPU_PARITY) $(GPU_BENCH) $(GPU_B)/bin/libbs-cuda.so

ifneq ($(VARIANT),standin)
$(B)/tests/cuda/%: $(CUDA_B)/tests/cuda/%.cu.o $(filter %.cu.o,$(CUDA_OBJ)) $(B)/libbs.a
	$(Q)mkdir -p $(@D)
	$(Q)$(NVCC) -cudart static $(if $(filter native,$(CUDA_ARCH)),-arch=native) -o $@ $^ -lpthread -lm
endif

# ---- set-up, model and data ----------------------------------------------------------
# SETUP=no: packages are my own business.

MODEL := models/all-minilm-l6-v2
DATA  := data/film-reviews.tsv
SETUP ?= yes
setup  = $(if $(filter yes,$(SETUP)),setup/packages.sh $(1),:)

.PHONY: setup
setup: ## Debian packages that building, fetching and testing need
	$(Q)$(call setup,build fetch test)

.PHONY: model
model: $(MODEL)/config.json ## the default model, in models/
	@:
$(MODEL)/config.json:
	$(Q)$(call setup,fetch)
	$(Q)setup/fetch.sh model $(MODEL)

.PHONY: data
data: $(DATA) ## the default data, in data/
	@:
$(DATA):
	$(Q)$(call setup,fetch)
	$(Q)setup/fetch.sh data $@

.PHONY: demo
demo: ## set-up, build, model, data; then tokenize, train, eval, predict, export
	$(Q)$(call setup,build fetch)
	$(Q)$(MAKE) --no-print-directory all model data
	$(Q)$(MAKE) --no-print-directory -f pipelines/demo.mk BIN=$(BIN)

# ---- tests ---------------------------------------------------------------------------

BATS := $(wildcard tests/cli/*.bats)
# Sanitized already, so that other variants need not run them again.
TEST_CUDA := $(if $(filter release,$(VARIANT)),tests/cuda/spills.sh $(CUDA_TESTS))
TEST_TORTURE := $(if $(filter release,$(VARIANT)),tests/torture/torture.sh)
TEST_PTXAS := $(if $(TEST_CUDA),$(CUDA_PTXAS))
# What torture preloads, and sanitized tools, for leaks where memory runs out.
FAIL_ALLOCATION := $(B)/tests/torture/fail_allocation.so
TORTURE_ENV := BS_BIN=$(abspath $(BIN)) BS_FAIL_ALLOCATION=$(abspath $(FAIL_ALLOCATION)) \
               BS_SANITIZED_BIN=$(abspath build/standin/bin)

.PHONY: test
test: ## set-up, build, all tests
	$(Q)$(call setup,build fetch test)
	$(Q)$(MAKE) --no-print-directory test-run

.PHONY: test-run
test-run: all tests-build model data $(TEST_PTXAS) $(if $(TEST_TORTURE),$(FAIL_ALLOCATION))
	$(Q)$(if $(TEST_CUDA),$(MAKE) --no-print-directory VARIANT=standin cuda-tests-build)
	$(Q)$(TORTURE_ENV) BS_PTXAS="$(TEST_PTXAS)" \
	    tests/run.sh $(TEST_TORTURE) $(TEST_BIN) $(TEST_CUDA) $(BATS)

# What is promised, for minutes or (TORTURE=full) hours.
.PHONY: torture
torture: ## promises of docs/reliability.md: killed, cut, starved; TORTURE=full takes hours
	$(Q)$(call setup,build fetch test)
	$(Q)$(MAKE) --no-print-directory all $(FAIL_ALLOCATION)
	$(Q)$(MAKE) --no-print-directory VARIANT=standin all
	$(Q)$(TORTURE_ENV) tests/torture/torture.sh

.PHONY: asan
asan: ## all tests under the address and undefined-behaviour sanitizers
	$(Q)$(call setup,build fetch test)
	$(Q)$(MAKE) --no-print-directory VARIANT=asan test-run

# Memcheck knows no AVX-512, so that AVX2 kernels run, products among them: they
# need no suppressions. Left out is what computes for minutes there; `make asan` runs it.
MEMCHECK := valgrind --quiet --error-exitcode=99 --leak-check=full \
            --errors-for-leak-kinds=definite,indirect,possible
SLOW     := $(B)/tests/parity/% %/test_infer %/test_learn_run %/test_backends %/test_tiles

.PHONY: valgrind
valgrind: ## the quicker C tests, and each tool on a little real input, under memcheck
	$(Q)$(call setup,build fetch test)
	$(Q)$(MAKE) --no-print-directory VARIANT=valgrind valgrind-run

.PHONY: valgrind-run
valgrind-run: all tests-build model data
	$(Q)BS_BIN=$(abspath $(BIN)) TEST_UNDER='$(MEMCHECK)' tests/run.sh \
	    $(filter-out $(SLOW),$(TEST_BIN)) tests/valgrind/tools.bats

# How far clang-tidy's analyzer follows a function's paths: deep, or shallow in a tenth of
# the time.
ANALYZER ?= deep

.PHONY: lint
lint: ## layer table, format, clang-tidy, shellcheck
	$(Q)$(call setup,lint build)
	$(Q)$(MAKE) --no-print-directory lint-run

C_FILES  := $(wildcard lib/*/*.[ch] lib/compute/*/*.[ch] tools/*/*.[ch] tests/*.h tests/*/*.[ch] bench/*/*.[ch])
CC_FILES := $(wildcard lib/*/*.cu lib/compute/*/*.cu lib/compute/*/*.cuh tests/*/*.cu tests/*/*.cc)
SH_FILES := $(wildcard setup/*.sh pipelines/*.sh tests/*.sh tests/*/*.sh bench/*.sh .ci/run)

.PHONY: lint-run
lint-run:
	$(Q)awk -f setup/lint/rooms.awk setup/lint/rooms.txt setup/lint/doors.txt \
	    $(filter lib/% tools/%,$(C_FILES) $(CC_FILES))
	$(Q)clang-format --dry-run --Werror $(filter-out %_tables.c,$(C_FILES) $(CC_FILES))
	$(Q)printf '%s\n' $(filter lib/%.c tools/%.c,$(filter-out %_tables.c,$(C_FILES))) | \
	    xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$$@" -- -std=c17 -D_GNU_SOURCE -Ilib -Itests/standin \
	    -Xclang -analyzer-config -Xclang mode=$(ANALYZER) 2>/dev/null' sh
	$(Q)clang-tidy --quiet setup/lint/headers.cc -- -std=c++17 -pedantic-errors -D_GNU_SOURCE -Ilib 2>/dev/null
	$(Q)shellcheck $(SH_FILES)
	$(Q)shellcheck --shell bash $(BATS) $(wildcard tests/valgrind/*.bats tests/cuda/*.bats tests/cli/*.bash)
	@echo "lint: clean"

# About two minutes. DATA_DIR: real data to compare on, skipped where absent.
.PHONY: parity-tokens
parity-tokens: model $(B)/tests/parity/tokens_dump ## token ids against the reference, which it installs
	$(Q)tests/parity/parity-tokens.sh $(MODEL) $(B)/tests/parity/tokens_dump

# Large (PyTorch): run by hand; the golden files are checked in. PYTHON may name an
# interpreter that has tests/parity/requirements.txt already.
.PHONY: parity-model
parity-model: model data ## golden files of the model, made again with PyTorch; both trainings compared
	$(Q)tests/parity/parity-model.sh $(MODEL) $(DATA)

# ---- benchmark -----------------------------------------------------------------------

BENCH ?= tokenize label train cold memory linear
.PHONY: bench
bench: all $(B)/bench/micro/peaks $(B)/bench/micro/tokenize ## side by side with the peers, which it installs into build/bench
	$(Q)BIN=$(BIN) BENCH_MICRO=$(B)/bench/micro bench/bench.sh $(BENCH)

# Hours for all of it; each finished run is kept as a row of bench/results/learn.tsv.
.PHONY: bench-learn
bench-learn: all model data ## what bs and the reference learn from the same rows, seed by seed
	$(Q)BIN=$(BIN) bench/learn.sh

# Programs that time one thing alone, for profiling.
MICRO := $(patsubst %.c,$(B)/%,$(wildcard bench/micro/*.c))
.PHONY: bench-micro
bench-micro: $(MICRO) ## a training step and labelling timed alone, in fp32 and bf16
	$(Q)for precision in fp32 bf16; do echo "# $$precision, 1 thread"; \
	    $(B)/bench/micro/step $(MODEL) auto $$precision 1 || exit; done

# The machine's peaks; needs nothing of bs.
$(B)/bench/micro/peaks: $(B)/bench/micro/peaks.o
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/bench/micro/%: $(B)/bench/micro/%.o $(B)/libbs.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/bench/gpu/gpu: $(patsubst %.c,$(B)/%.o,$(wildcard bench/gpu/*.c)) $(B)/libbs.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# ---- to carry away ---------------------------------------------------------------------
# PORTABLE: a folder that runs where none of the libraries are, libc's alone, of this age
# or younger. The run path is of the old kind (RPATH), which the libraries' own libraries
# are looked for by, too.

PORTABLE ?= build/portable

.PHONY: portable
portable: $(B)/libbs.a $(TOOLS:%=portable-%) $(if $(filter 1,$(CUDA)),$(CUDA_LIB)) ## tools and the libraries they need in one folder, build/portable
	$(Q)setup/portable.sh $(PORTABLE) $(if $(filter 1,$(CUDA)),$(CUDA_LIB))

.PHONY: $(TOOLS:%=portable-%)
$(TOOLS:%=portable-%): portable-%: all
	$(Q)mkdir -p $(PORTABLE)/bin
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../lib' \
	    -o $(PORTABLE)/bin/bs-$* $(patsubst %.c,$(B)/%.o,$(wildcard tools/$*/*.c)) $(B)/libbs.a $(LDLIBS)

# ---- install -------------------------------------------------------------------------

.PHONY: install
install: all ## tools and man pages under PREFIX (default /usr/local), below DESTDIR
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)install -m 755 $(TOOL_BIN) $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 644 $(wildcard man/*.1) $(DESTDIR)$(PREFIX)/share/man/man1

.PHONY: clean
clean: ## removes build/ and bin/
	$(Q)rm -rf build bin

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

-include $(shell find $(B) -name '*.d' 2>/dev/null)
