/*
 * GELU and its slope for results that are rounded to 16 bits: within 5e-7 of the exact
 * ones where the processor can look coefficients up in a register (AVX-512), and exact
 * elsewhere.
 *
 * With t = |x| and F the normal distribution: GELU is max(x, 0) - t (1 - F(t)), its slope
 * s(t) = 1 - F(t) - t F'(t) for x < 0 and 1 - s(t) for others. Both tails are piecewise
 * polynomials of the fourth degree on sixteen equal parts of [0, 5), in d, the distance
 * from the middle of the part in parts, fitted at Chebyshev's nodes; beyond 5 they are 0.
 */
#ifndef BS_COMPUTE_CPU_GELU_H
#define BS_COMPUTE_CPU_GELU_H

#include "compute/cpu/vector.h"

#if defined(BS_ISA_avx512)
/* Coefficients by degree and part. */
static const float gelu_tail[5][16] = {
    {0.0684246793F, 0.14982383F, 0.169787288F, 0.149879098F, 0.112253837F, 0.0736139789F,
     0.0428894795F, 0.0223722216F, 0.010494181F, 0.00443848502F, 0.00169555459F,
     0.000585696136F, 0.000183085096F, 5.18190573e-05F, 1.32846762e-05F, 3.08575159e-06F},
    {0.117606632F, 0.0475251786F, -0.00386552536F, -0.032150086F, -0.04027839F,
     -0.0355373546F, -0.025581615F, -0.0157606881F, -0.00849101972F, -0.00404628133F,
     -0.00171719177F, -0.000651841401F, -0.000221977971F, -6.79567675e-05F,
     -1.87317455e-05F, -4.65426047e-06F},
    {-0.0380164161F, -0.0310707763F, -0.0199503731F, -0.00860835239F, -0.000162964687F,
     0.00424318248F, 0.00526254671F, 0.0043649571F, 0.00289233495F, 0.00161858043F,
     0.000784290722F, 0.000333530625F, 0.000125505336F, 4.20132637e-05F, 1.25581892e-05F,
     3.36092239e-06F},
    {0.00123672967F, 0.00320126629F, 0.00393948145F, 0.00340962107F, 0.00214672741F,
     0.000839760003F, -5.77240608e-05F, -0.000449816202F, -0.000481306168F,
     -0.000353454321F, -0.000207627119F, -0.000102724254F, -4.38546849e-05F,
     -1.63753812e-05F, -5.39341863e-06F, -1.57578484e-06F},
    {0.000596544298F, 0.00035522008F, 1.27395642e-05F, -0.000254197512F, -0.000347845111F,
     -0.000286974158F, -0.000158533177F, -4.41738375e-05F, 1.98642629e-05F,
     3.83317238e-05F, 3.2369313e-05F, 2.00296126e-05F, 1.00712768e-05F, 4.28471003e-06F,
     1.5743517e-06F, 5.05682976e-07F},
};
static const float gelu_slope[5][16] = {
    {0.376339555F, 0.152076542F, -0.0123738125F, -0.102882601F, -0.128890917F,
     -0.113718145F, -0.0818595216F, -0.0504330657F, -0.0271707848F, -0.0129480688F,
     -0.00549515616F, -0.00208604103F, -0.000710427121F, -0.000217511493F,
     -5.99626437e-05F, -1.49012194e-05F},
    {-0.243303791F, -0.19885245F, -0.127682805F, -0.0550943799F, -0.0010437771F,
     0.0271560363F, 0.0336803906F, 0.0279359967F, 0.018511178F, 0.0103590349F,
     0.00501948828F, 0.0021345811F, 0.00080321217F, 0.00026886948F, 8.0364458e-05F,
     2.15065884e-05F},
    {0.0119533045F, 0.0309258327F, 0.0380173437F, 0.0328442082F, 0.020611586F,
     0.00799517427F, -0.000633180898F, -0.00437290221F, -0.00464347983F, -0.00339470012F,
     -0.00198638416F, -0.000979023287F, -0.000416318449F, -0.000154811656F,
     -5.07660588e-05F, -1.476342e-05F},
    {0.00762557937F, 0.00454264088F, 0.000166401311F, -0.00324635324F, -0.00444599288F,
     -0.0036706042F, -0.00202996656F, -0.000567586976F, 0.000252387719F, 0.000489686499F,
     0.00041410781F, 0.000256498548F, 0.000129088134F, 5.49676552e-05F, 2.02153042e-05F,
     6.49927279e-06F},
    {-0.000430401124F, -0.0010329386F, -0.00105772924F, -0.000596501632F,
     -1.60108611e-05F, 0.000354783726F, 0.000421492936F, 0.000291555451F, 0.000122350073F,
     8.20720106e-06F, -3.64605148e-05F, -3.80245874e-05F, -2.49949426e-05F,
     -1.27573148e-05F, -5.39070697e-06F, -1.94194399e-06F},
};

BS_INLINE vf vtail(const float table[5][16], vf t) {
    /* In parts, from the middle of the first; 1.5 * 2^23 leaves a whole number, whose
     * last bits say which. */
    vf at = vfma(t, vsplat(3.2F), vsplat(-0.5F)), shifted = at + 12582912.0F;
    vi part = (vi)shifted;
    vf d = at - (shifted - 12582912.0F);
    vf sum = (vf)_mm512_permutexvar_ps((__m512i)part, (__m512)vload(table[4]));
#pragma GCC unroll 4
    for (int i = 3; i >= 0; i--)
        sum = vfma(sum, d,
                   (vf)_mm512_permutexvar_ps((__m512i)part, (__m512)vload(table[i])));
    return (vf)_mm512_maskz_mov_ps(
        _mm512_cmp_ps_mask((__m512)t, _mm512_set1_ps(5), _CMP_NGE_UQ), (__m512)sum);
}

BS_INLINE vf vgelu_low(vf x) {
    return (vf)_mm512_max_ps((__m512)x, _mm512_setzero_ps()) - vtail(gelu_tail, vabs(x));
}

BS_INLINE vf vgelu_slope_low(vf x) {
    vf slope = vtail(gelu_slope, vabs(x));
    return vselect(x < (vf){0}, slope, 1.0F - slope);
}
#else
BS_INLINE vf vgelu_low(vf x) {
    return vgelu(x);
}

BS_INLINE vf vgelu_slope_low(vf x) {
    return vgelu_slope(x);
}
#endif

#endif
