/* Scores of a class and sums over classes. */
#include "metric/tally.h"

double bs_ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

struct bs_class_tally bs_tally_sum(const struct bs_class_tally *classes, size_t n) {
    struct bs_class_tally sum = {0};
    for (size_t c = 0; c < n; c++) {
        sum.gold += classes[c].gold;
        sum.predicted += classes[c].predicted;
        sum.right += classes[c].right;
    }
    return sum;
}

void bs_tally_scores(const struct bs_class_tally *tally, double scores[BS_CLASS_SCORES]) {
    scores[BS_CLASS_F1] = bs_ratio(2 * tally->right, tally->gold + tally->predicted);
    scores[BS_CLASS_PRECISION] = bs_ratio(tally->right, tally->predicted);
    scores[BS_CLASS_RECALL] = bs_ratio(tally->right, tally->gold);
}
