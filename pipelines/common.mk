# What the pipelines share. A rule's commands run in one strict shell, a failed rule
# leaves no target behind, and each step says how long it took.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

BIN ?= bin

# $(call step,NAME,COMMANDS)
step = @echo "== $(1)"; began=$$SECONDS; { $(2); }; echo "== $(1): $$((SECONDS - began)) s"

# Some rejected records (exit 3) are acceptable: $(call tolerant,COMMAND)
tolerant = { $(1) || [ $$? -eq 3 ]; }
