"""Natural and decimal logarithm and the exponential, the same to the last bit everywhere.

`math.log10` asks the C library of the machine, and C libraries disagree: of n = 0..10,000, glibc's
`log10(n + 1)` differs from JavaScript's (V8) in the last bit for 45 values. A drift state is
replayed from its events, perhaps on another machine, and must come out equal; and the original app
ran on V8, whose functions are FreeBSD's msun, once Sun's fdlibm. These are the same formulas in
plain double arithmetic, which IEEE 754 fixes: for finite, positive, normal arguments of the
logarithms and for -700 <= x <= 0 of the exponential. Not here: any other function or range.

Derived from fdlibm, whose notice is to be kept:
Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunSoft, a Sun
Microsystems, Inc. business. Permission to use, copy, modify, and distribute this software is
freely granted, provided that this notice is preserved.
"""

from math import frexp, ldexp

_LN2_HI = 6.93147180369123816490e-01
_LN2_LO = 1.90821492927058770002e-10
_INV_LN2 = 1.44269504088896338700e00
_INV_LN10 = 4.34294481903251816668e-01
_LOG10_2_HI = 3.01029995663611771306e-01
_LOG10_2_LO = 3.69423907715893078616e-13
_HALF_LN2 = 0.34657359
_SQRT2_HIGH_WORD = float.fromhex("0x1.6a09cp0")  # where fdlibm starts the next power of two
_TINY = 2.0**-20
_EXP_TINY = 2.0**-28
# Between these two, f is large enough for the third-order correction (high words 0x6147b, 0x6b851).
_MIDDLE = (float.fromhex("0x1.6147bp0"), float.fromhex("0x1.6b852p0"))


def log(x: float) -> float:
    """Return the natural logarithm of a positive number."""
    half, exponent = frexp(x)
    mantissa, k = 2.0 * half, exponent - 1
    middle = _MIDDLE[0] <= mantissa < _MIDDLE[1]
    if mantissa >= _SQRT2_HIGH_WORD:
        mantissa, k = half, exponent
    f = mantissa - 1.0
    if -_TINY <= f < _TINY:
        return _log_near_one(f, k)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    even = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    r = even + odd
    if middle:
        square = 0.5 * f * f
        if k == 0:
            return f - (square - s * (square + r))
        return k * _LN2_HI - ((square - (s * (square + r) + k * _LN2_LO)) - f)
    if k == 0:
        return f - s * (f - r)
    return k * _LN2_HI - ((s * (f - r) - k * _LN2_LO) - f)


def _log_near_one(f: float, k: int) -> float:
    if f == 0.0:
        return k * _LN2_HI + k * _LN2_LO
    r = f * f * (0.5 - 0.33333333333333333 * f)
    if k == 0:
        return f - r
    return k * _LN2_HI - ((r - k * _LN2_LO) - f)


def log10(x: float) -> float:
    """Return the decimal logarithm of a number not below 1."""
    half, exponent = frexp(x)
    k = exponent - 1
    return (k * _LOG10_2_LO + _INV_LN10 * log(2.0 * half)) + k * _LOG10_2_HI


def exp(x: float) -> float:
    """Return e to the power of a number between -700 and 0."""
    hi, lo, k = x, 0.0, 0
    if -x > _HALF_LN2:
        k = -1 if -x < 1.5 * 2 * _HALF_LN2 else int(_INV_LN2 * x - 0.5)
        hi = x - k * _LN2_HI
        lo = k * _LN2_LO
        x = hi - lo
    elif -x < _EXP_TINY:
        return 1.0 + x
    t = x * x
    p = -1.65339022054652515390e-06 + t * 4.13813679705723846039e-08
    p = 1.66666666666666019037e-01 + t * (
        -2.77777777770155933842e-03 + t * (6.61375632143793436117e-05 + t * p)
    )
    c = x - t * p
    if k == 0:
        return 1.0 - ((x * c) / (c - 2.0) - x)
    return ldexp(1.0 - ((lo - (x * c) / (2.0 - c)) - hi), k)
