"""Fourier transforms of many signals at once, in place and in single precision.

scipy transforms row after row, a few numbers at a time. Here the signals lie side by side: row t
of an array of shape (n, lanes) is sample t of all of them, so each step of the transform is the
same arithmetic on whole rows, in the full width of the processor's registers.

A transform of length n is taken apart by 2, 4 or 5 (Cooley & Tukey 1965), step by step. Each step
exists twice: `apart` goes from the natural order to the one that taking apart leaves behind;
`together` comes back from there, with the steps in the opposite sequence. What is done to single
samples between an inverse and a forward transform asks for no order, so nothing is ever sorted.
An inverse transform is a forward one with real and imaginary parts swapped, times 1 / n.
"""

from functools import cache

import numpy as np
from numba import njit

# Multiplication and addition may be fused; nothing else may be reordered.
_FAST = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "cache": True}
_COS_1, _COS_2 = (np.float32(np.cos(2 * np.pi * k / 5)) for k in (1, 2))
_SIN_1, _SIN_2 = (np.float32(np.sin(2 * np.pi * k / 5)) for k in (1, 2))


@cache
def turns(n):
    """One turn in n steps: cosine and negative sine, float32, shape (2, n)."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.array([np.cos(angle), -np.sin(angle)], dtype=np.float32)


@cache
def steps(factors, lanes, kept):
    """Functions that transform `lanes` signals, whose length n is the product of `factors`.

    Parameters
    ----------
    factors : tuple of int
        2, 4 and 5, as often as needed.
    lanes : int
        16 and more: fewer do not fill the registers.
    kept : int
        `together` has to compute the bins 0 to kept - 1 and n - kept + 1 to n - 1, not all others.

    Returns
    -------
    apart, together : list of functions
        To be called one after the other as `step(re, im, turns(n))`, with arrays of float32, shape
        (n * lanes,).
    """
    total, apart, together = int(np.prod(factors)), [], []
    n = total
    for factor in factors:
        rows = n // factor
        apart.append(_APART[factor](n, total, lanes, 0, rows))
        ends = ((0, rows),)
        if n == total and 2 * kept <= rows:
            ends = (0, kept), (rows - kept + 1, rows)
        together = [_TOGETHER[factor](n, total, lanes, *end) for end in ends] + together
        n = rows
    return apart, together


@njit(inline="always")
def _turned(re, im, c, s):
    return re * c - im * s, re * s + im * c


@njit(inline="always")
def _four(ar, ai, br, bi, cr, ci, dr, di):
    sr, si, tr, ti = ar + cr, ai + ci, br + dr, bi + di
    er, ei, fr, fi = ar - cr, ai - ci, bi - di, dr - br
    return sr + tr, si + ti, er + fr, ei + fi, sr - tr, si - ti, er - fr, ei - fi


@njit(inline="always")
def _five(ar, ai, br, bi, cr, ci, dr, di, er, ei):
    sr, si, tr, ti = br + er, bi + ei, cr + dr, ci + di
    ur, ui, vr, vi = br - er, bi - ei, cr - dr, ci - di
    pr, pi = ar + _COS_1 * sr + _COS_2 * tr, ai + _COS_1 * si + _COS_2 * ti
    qr, qi = ar + _COS_2 * sr + _COS_1 * tr, ai + _COS_2 * si + _COS_1 * ti
    xr, xi = _SIN_1 * ui + _SIN_2 * vi, _SIN_1 * ur + _SIN_2 * vr
    yr, yi = _SIN_2 * ui - _SIN_1 * vi, _SIN_2 * ur - _SIN_1 * vr
    zr, zi = ar + sr + tr, ai + si + ti
    return zr, zi, pr + xr, pi - xi, qr + yr, qi - yi, qr - yr, qi + yi, pr - xr, pi + xi


# The numbers that a step closes over are constants to the compiler: without them it cannot know
# that the rows do not overlap, and would compute one number at a time.


def _apart_2(n, total, lanes, first, last):
    one, b = total // n, n // 2 * lanes

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                for i in range(start, start + lanes):
                    dr, di = re[i] - re[i + b], im[i] - im[i + b]
                    re[i], im[i] = re[i] + re[i + b], im[i] + im[i + b]
                    re[i + b], im[i + b] = _turned(dr, di, c1, s1)

    return step


def _together_2(n, total, lanes, first, last):
    one, b = total // n, n // 2 * lanes

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                for i in range(start, start + lanes):
                    dr, di = _turned(re[i + b], im[i + b], c1, s1)
                    re[i + b], im[i + b] = re[i] - dr, im[i] - di
                    re[i], im[i] = re[i] + dr, im[i] + di

    return step


def _apart_4(n, total, lanes, first, last):
    one, b = total // n, n // 4 * lanes
    c, d = 2 * b, 3 * b

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                c2, s2 = turn[0, 2 * k], turn[1, 2 * k]
                c3, s3 = turn[0, 3 * k], turn[1, 3 * k]
                for i in range(start, start + lanes):
                    re[i], im[i], br, bi, cr, ci, dr, di = _four(
                        re[i],
                        im[i],
                        re[i + b],
                        im[i + b],
                        re[i + c],
                        im[i + c],
                        re[i + d],
                        im[i + d],
                    )
                    re[i + b], im[i + b] = _turned(br, bi, c1, s1)
                    re[i + c], im[i + c] = _turned(cr, ci, c2, s2)
                    re[i + d], im[i + d] = _turned(dr, di, c3, s3)

    return step


def _together_4(n, total, lanes, first, last):
    one, b = total // n, n // 4 * lanes
    c, d = 2 * b, 3 * b

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                c2, s2 = turn[0, 2 * k], turn[1, 2 * k]
                c3, s3 = turn[0, 3 * k], turn[1, 3 * k]
                for i in range(start, start + lanes):
                    br, bi = _turned(re[i + b], im[i + b], c1, s1)
                    cr, ci = _turned(re[i + c], im[i + c], c2, s2)
                    dr, di = _turned(re[i + d], im[i + d], c3, s3)
                    (
                        re[i],
                        im[i],
                        re[i + b],
                        im[i + b],
                        re[i + c],
                        im[i + c],
                        re[i + d],
                        im[i + d],
                    ) = _four(re[i], im[i], br, bi, cr, ci, dr, di)

    return step


def _apart_5(n, total, lanes, first, last):
    one, b = total // n, n // 5 * lanes
    c, d, e = 2 * b, 3 * b, 4 * b

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                c2, s2 = turn[0, 2 * k], turn[1, 2 * k]
                c3, s3 = turn[0, 3 * k], turn[1, 3 * k]
                c4, s4 = turn[0, 4 * k], turn[1, 4 * k]
                for i in range(start, start + lanes):
                    ar, ai, br, bi, cr, ci = (
                        re[i],
                        im[i],
                        re[i + b],
                        im[i + b],
                        re[i + c],
                        im[i + c],
                    )
                    dr, di, er, ei = re[i + d], im[i + d], re[i + e], im[i + e]
                    re[i], im[i], br, bi, cr, ci, dr, di, er, ei = _five(
                        ar, ai, br, bi, cr, ci, dr, di, er, ei
                    )
                    re[i + b], im[i + b] = _turned(br, bi, c1, s1)
                    re[i + c], im[i + c] = _turned(cr, ci, c2, s2)
                    re[i + d], im[i + d] = _turned(dr, di, c3, s3)
                    re[i + e], im[i + e] = _turned(er, ei, c4, s4)

    return step


def _together_5(n, total, lanes, first, last):
    one, b = total // n, n // 5 * lanes
    c, d, e = 2 * b, 3 * b, 4 * b

    @njit(**_FAST)
    def step(re, im, turn):
        for part in range(0, total, n):
            for j in range(first, last):
                k, start = j * one, (part + j) * lanes
                c1, s1 = turn[0, k], turn[1, k]
                c2, s2 = turn[0, 2 * k], turn[1, 2 * k]
                c3, s3 = turn[0, 3 * k], turn[1, 3 * k]
                c4, s4 = turn[0, 4 * k], turn[1, 4 * k]
                for i in range(start, start + lanes):
                    br, bi = _turned(re[i + b], im[i + b], c1, s1)
                    cr, ci = _turned(re[i + c], im[i + c], c2, s2)
                    dr, di = _turned(re[i + d], im[i + d], c3, s3)
                    er, ei = _turned(re[i + e], im[i + e], c4, s4)
                    re[i], im[i], br, bi, cr, ci, dr, di, er, ei = _five(
                        re[i], im[i], br, bi, cr, ci, dr, di, er, ei
                    )
                    re[i + b], im[i + b], re[i + c], im[i + c] = br, bi, cr, ci
                    re[i + d], im[i + d], re[i + e], im[i + e] = dr, di, er, ei

    return step


_APART = {2: _apart_2, 4: _apart_4, 5: _apart_5}
_TOGETHER = {2: _together_2, 4: _together_4, 5: _together_5}
