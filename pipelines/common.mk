# What the pipelines share. A rule's commands run in one strict shell, a failed rule
# leaves no target behind, and each step says how long it took.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

BIN ?= bin

# Files that only the user has: $(call given,VARIABLE...)
given = $(foreach file,$(1),$(if $(wildcard $($(file))),,$(error \
            there is no $($(file)): say $(file)=FILE, as the head of the pipeline shows)))

# SETTINGS, what a pipeline was told, in a file that changes only when they do
%/settings: .FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$SETTINGS" | cmp -s - $@ || printf '%s\n' "$$SETTINGS" >$@
export SETTINGS
.PHONY: .FORCE

# Where a pipeline works, by its training folder: $(call work_for,OUT)
work_for = build/$(subst /,_,$(1:/=))

# A prerequisite for what is to be made anew if a file is gone: $(call unless,FILE)
unless = $(if $(wildcard $(1)),,.FORCE)

# $(call step,NAME,COMMANDS)
step = @echo "== $(1)"; began=$$SECONDS; { $(2); }; echo "== $(1): $$((SECONDS - began)) s"
