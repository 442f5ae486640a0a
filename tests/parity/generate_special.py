#!/usr/bin/env python3
"""Makes tests/parity/golden/special_tokens.jsonl: the files beside a vocab.txt, and the
ids that the reference's AutoTokenizer gives a text with them.

    python3 tests/parity/generate_special.py >tests/parity/golden/special_tokens.jsonl

Needs transformers (5.24 was used; 4.57 differs where "additional_special_tokens" stands
in special_tokens_map.json). "literal" are the ids with encode_special_tokens.
"""
import json
import os
import sys
import tempfile

from transformers import AutoTokenizer

VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] good bad film the [ ] e e1 1 / x y ##y Good \u00e9 mask ##x".split()
NO_MASK = [t for t in VOCABULARY if t != "[MASK]"]
TEXT = "Good [E1] good film[/E1] [e1] BAD [MASK]x [mask] x y  GOOD film \u00c9 x"
CONFIG, MAP, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
BOTH = {"[/E1]": 23, "[E1]": 22}  # as a vocabulary's dictionary is saved: not in order


def token(content, **flags):
    return {"content": content, **flags}


def typed(content, **flags):
    return {"__type": "AddedToken", "content": content, **flags}


CASES = {
    "nothing": {},
    "additional in the config": {CONFIG: {"additional_special_tokens": ["[E1]", "[/E1]"]}},
    "extra in the config": {CONFIG: {"extra_special_tokens": ["[/E1]", "good"]}},
    "roles of its own": {CONFIG: {"zz_token": "[/E1]", "additional_special_tokens": ["[E1]"]}},
    "roles of its own in the map": {MAP: {"zz_token": "[/E1]", "additional_special_tokens": ["[E1]"]}},
    "roles of its own in an object": {
        CONFIG: {"a_token": "[/E1]", "extra_special_tokens": {"q_token": "[E1]"}},
        MAP: {"extra_special_tokens": {"r": "film["}}},
    "roles of its own, ordered": {
        CONFIG: {"b_token": typed("[E1]"), "a_token": "[/E1]", "add_bos_token": True}, MAP: {"c_token": "[e1]"}},
    "extra hides additional": {CONFIG: {"extra_special_tokens": ["good"], "additional_special_tokens": ["bad"]}},
    "empty extra does not": {CONFIG: {"extra_special_tokens": [], "additional_special_tokens": ["bad x"]}},
    "additional in config and map": {
        CONFIG: {"additional_special_tokens": ["[E1]"]}, MAP: {"additional_special_tokens": ["[/E1]"]}},
    "additional in the map": {MAP: {"additional_special_tokens": ["[E1]", "[/E1]"]}},
    "extra in config and map": {
        CONFIG: {"extra_special_tokens": ["[E1]"]}, MAP: {"extra_special_tokens": ["[E1]", "[/E1]"]}},
    "extra objects in the map": {
        MAP: {"extra_special_tokens": [token("[/E1]", lstrip=True, rstrip=True), token("film", single_word=True)]}},
    "additional objects in the config": {
        CONFIG: {"additional_special_tokens": [typed("[E1]", rstrip=True), typed("x y", lstrip=True, special=True)]}},
    "[CLS] and [SEP] in the map": {MAP: {"cls_token": "good", "sep_token": "bad"}},
    "[UNK] in the map": {MAP: {"unk_token": "bad"}},
    "[CLS] as an object": {MAP: {"cls_token": token("good", lstrip=True, rstrip=True, normalized=True)}},
    "[MASK] as an object": {MAP: {"mask_token": token("[MASK]", lstrip=True, normalized=False)}},
    "[MASK] as an object, normalized": {CONFIG: {"mask_token": typed("[MASK]", rstrip=True, normalized=True)}},
    "[MASK] as an object in the config": {CONFIG: {"mask_token": typed("[MASK]", lstrip=True)}},
    "[MASK] null": {CONFIG: {"mask_token": None}},
    "[MASK] null in the map": {MAP: {"mask_token": None}},
    "[MASK] empty": {CONFIG: {"mask_token": ""}},
    "[MASK] elsewhere": {MAP: {"mask_token": "good", "bos_token": "film"}},
    "no [MASK]": {"vocab.txt": NO_MASK},
    "no [MASK], extra": {"vocab.txt": NO_MASK, CONFIG: {"additional_special_tokens": ["[E1]"]}},
    "added": {ADDED: BOTH},
    "added, additional in the config": {ADDED: BOTH, CONFIG: {"additional_special_tokens": ["[E1]", "[/E1]"]}},
    "added, additional in the map": {ADDED: BOTH, MAP: {"additional_special_tokens": ["[E1]", "[/E1]"]}},
    "added, extra in the map": {ADDED: BOTH, MAP: {"extra_special_tokens": ["[E1]", "[/E1]"]}},
    "added, one as [MASK]": {ADDED: BOTH, MAP: {"mask_token": "[E1]"}},
    "added, one as [CLS]": {ADDED: BOTH, MAP: {"cls_token": "[E1]"}},
    "added, more in the config": {ADDED: {"[E1]": 22}, CONFIG: {"additional_special_tokens": ["[/E1]", "[E1]"]}},
    "added that the vocabulary has": {ADDED: {"good": 5, "[MASK]": 4, "[E1]": 22}},
    "added, normalized": {ADDED: {"GOOD": 22, "\u00c9 X": 23}},
    "added, cased": {ADDED: {"GOOD": 22, "\u00c9 X": 23}, CONFIG: {"do_lower_case": False}},
    "added, longer than a token": {ADDED: {"good film": 22, "x y": 23, "[E": 24}},
    "added, empty": {ADDED: {"": 30, "[E1]": 22}},
    "the decoder hides map and added": {
        CONFIG: {"added_tokens_decoder": {"5": token("good", special=True)}}, ADDED: {"[/E1]": 22},
        MAP: {"cls_token": "bad", "additional_special_tokens": ["[E1]"]}},
    "an empty decoder does too": {
        CONFIG: {"added_tokens_decoder": {}}, MAP: {"cls_token": "bad"}, ADDED: {"[/E1]": 22}},
    "decoder and additional": {
        CONFIG: {"additional_special_tokens": ["[E1]", "x y"], "added_tokens_decoder": {
            "23": token("[/E1]", special=True, lstrip=True), "22": token("[E1]", special=False)}}},
    "decoder of roles": {
        CONFIG: {"added_tokens_decoder": {"4": token("[MASK]", rstrip=True), "18": token("Good", normalized=True)},
                 "mask_token": "[MASK]", "bos_token": "Good"}},
    "switches in the map": {MAP: {"do_lower_case": False, "additional_special_tokens": ["\u00c9"]}},
    "equal lines": {"vocab.txt": VOCABULARY + ["good", "good"], CONFIG: {"additional_special_tokens": ["[E1]"]}},
    "an empty line": {"vocab.txt": VOCABULARY + ["", "z"], CONFIG: {"additional_special_tokens": ["[E1]"]}},
    "twice": {CONFIG: {"additional_special_tokens": ["[MASK]", "good", "good"]}},
    "twice, the second in one word": {CONFIG: {"additional_special_tokens": [
        typed("ood"), typed("ood", single_word=True)]}},
    "twice, the second a string": {CONFIG: {"extra_special_tokens": [typed("ood", single_word=True), "ood"]}},
    "a role, and extra": {CONFIG: {"additional_special_tokens": [
        typed("[MASK]", single_word=True, special=True)]}},
    "a role with flags, and extra": {CONFIG: {
        "mask_token": typed("[MASK]", lstrip=True), "additional_special_tokens": [typed("[MASK]", single_word=True)]}},
    "a role with flags, and a string": {CONFIG: {
        "mask_token": typed("[MASK]", single_word=True), "additional_special_tokens": ["[MASK]"]}},
    "two roles": {CONFIG: {"zz_token": typed("ood", single_word=True), "aa_token": typed("ood", rstrip=True)}},
    "added, and an object in the config": {ADDED: BOTH, CONFIG: {
        "additional_special_tokens": [typed("[E1]", lstrip=True, special=True)]}},
    "added, and an object in the map": {ADDED: BOTH, MAP: {"extra_special_tokens": [token("[E1]", lstrip=True)]}},
    "added, and a role in the config": {ADDED: {"[MASK]": 4}, CONFIG: {"mask_token": typed("[MASK]", lstrip=True)}},
}


def main():
    for name, case in CASES.items():
        files = {file: content if file == "vocab.txt" else json.dumps(content) for file, content in case.items()}
        files["vocab.txt"] = "".join(t + "\n" for t in files.get("vocab.txt", VOCABULARY))
        with tempfile.TemporaryDirectory() as folder:
            for file, content in {**files, "config.json": '{"model_type":"bert"}'}.items():
                with open(os.path.join(folder, file), "w", encoding="utf-8") as out:
                    out.write(content)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        record = {"name": name, "files": files, "text": TEXT, "ids": tokenizer(TEXT)["input_ids"]}
        tokenizer._tokenizer.encode_special_tokens = True
        record["literal"] = tokenizer._tokenizer.encode(TEXT).ids
        json.dump(record, sys.stdout)
        print()


main()
