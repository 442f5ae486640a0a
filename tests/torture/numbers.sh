# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# Numbers gone wrong. Part of torture.sh.

# spoil WEIGHT WORD FILE: element number WEIGHT of the model becomes NaN (7fc00000) or
# infinite (7f800000).
spoil() {
    perl -e '
        my ($weight, $word, $path) = @ARGV;
        open my $file, "+<:raw", $path or die;
        read $file, my $size, 8;
        my $data = 8 + unpack "Q<", $size;
        my $count = ((-s $path) - $data) / 4;
        seek $file, $data + 4 * ($weight % $count), 0;
        print $file pack "V", hex $word' "$@"
}

# A weight that is no number: in what is labelled with it, or nowhere.
torture_numbers() {
    need_tiny
    workplace numbers
    labelled_rows 200 >rows.tsv
    "$bin/bs-predict" -m "$tiny" -f tsv rows.tsv >wanted.tsv
    local tries good=0 caught=0 status i word
    tries=$(budget 20 2000)
    for ((i = 0; i < tries; i++)); do
        rm -rf model out.tsv run
        cp -r "$tiny" model
        if [ $((i % 2)) = 0 ]; then word=7fc00000; else word=7f800000; fi
        spoil $((RANDOM * 32768 + RANDOM)) $word model/model.safetensors
        status=0
        "$bin/bs-predict" -m model -f tsv -o out.tsv rows.tsv 2>err || status=$?
        if [ "$status" = 0 ] && cmp -s out.tsv wanted.tsv; then
            good=$((good + 1))
        elif [ "$status" = 4 ] && [ -s err ] && [ ! -e out.tsv ]; then
            good=$((good + 1))
            ! train_from_spoiled || caught=$((caught + 1))
        else
            mv model "failed-$i"
        fi
    done
    promise "spoiled weights" "$good" "=$tries" "refused, or without effect"
    promise "spoiled, trained" "$caught" "=$(grep -c . refused)" "runs ended, no checkpoint"
    steps_gone_wrong
}

# Training from it ends with exit 4 or 6 before anything is kept.
train_from_spoiled() {
    local status=0
    echo "$i" >>refused
    "$bin/bs-train" -m model -o run --epochs 1 --save-steps 1 --threads 1 --quiet rows.tsv \
        >/dev/null 2>err || status=$?
    { [ "$status" = 6 ] || [ "$status" = 4 ]; } && grep -q 'not finite' err &&
        ! compgen -G 'run/checkpoint-*' >/dev/null && [ ! -e run/last ]
}

# A learning rate beyond all measure: named by its step, and what was kept before loads.
steps_gone_wrong() {
    local tries named=0 loads=0 status n i
    tries=$(budget 3 50)
    for ((i = 1; i <= tries; i++)); do
        rm -rf run
        status=0
        "$bin/bs-train" -m "$tiny" -o run --epochs 20 --save-steps 1 \
            --learning-rate "1e$((15 + RANDOM % 22))" --max-grad-norm 0 --weight-decay 0 \
            --warmup-steps 0 --seed "$i" --threads 1 --quiet rows.tsv >/dev/null 2>err || status=$?
        n=$(sed -n 's/.*step \([0-9]*\): .* not finite.*/\1/p' err)
        if [ "$status" = 0 ] || { [ "$status" = 6 ] && [ -n "$n" ] && [ ! -e "run/checkpoint-$n" ]; }; then
            named=$((named + 1))
        fi
        ! finite_checkpoints || loads=$((loads + 1))
    done
    promise "steps gone wrong" "$named" "=$tries" "exit 6 with the step, or none did"
    promise "steps gone wrong: kept" "$loads" "=$tries" "runs whose checkpoints hold numbers alone"
}

finite_checkpoints() {
    local folder
    for folder in run/checkpoint-* run/last; do
        [ ! -e "$folder" ] || all_finite "$folder/model.safetensors" || return 1
    done
}

all_finite() {
    perl -e '
        local $/;
        open my $file, "<:raw", $ARGV[0] or die;
        my $bytes = <$file>;
        my @words = unpack "V*", substr $bytes, 8 + unpack "Q<", $bytes;
        exit !!grep { ($_ & 0x7f800000) == 0x7f800000 } @words' "$1"
}
