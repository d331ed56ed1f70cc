"""
Reflectance of an aerosol layer by adding and doubling: the shape between the states that 6S was run for.

Scalar, in eight layers. 6S has polarization and more layers; the difference of the two is small and smooth, and is
added by `lut_build` from runs of 6S. Hansen & Travis 1974, Space Sci. Rev. 16, 527; truncation of the forward peak
Wiscombe 1977, J. Atmos. Sci. 34, 1408; its correction for single scattering Nakajima & Tanaka 1988, JQSRT 40, 51.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from musyq_cube.normalize._sixs import F64

STREAMS = 12
"""Gauss points of a hemisphere; the phase function is truncated after twice as many terms."""
DEPOLARIZATION = 0.0279
"""Of air, as 6S has it."""
LEVELS = (np.inf, 12.0, 7.0, 4.5, 3.0, 2.0, 1.2, 0.5, 0.0)
"""Tops and bottoms of the layers above the ground, km."""
SCALE_RAYLEIGH = 8.0
SCALE_AEROSOL = 2.0
_THIN = 0.0005


@dataclass(frozen=True, eq=False)
class Aerosol:
    """An aerosol at one wavelength."""

    depth: F64
    """(state,) optical depth at this wavelength."""
    albedo: float
    angle: F64
    """Scattering angles, degrees, increasing."""
    phase: F64
    """Phase function there, mean 1 over the sphere."""

    def value(self, cosine: F64) -> F64:
        """Return the phase function at cosines of the scattering angle."""
        angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        return np.exp(np.interp(angle, self.angle, np.log(self.phase)))

    def asymmetry(self) -> float:
        """Return the mean cosine of the scattering angle."""
        x, w = np.polynomial.legendre.leggauss(1200)
        values = w * self.value(x)
        return float(1.0 - ((1.0 - x) @ values) / 2.0)  # what the sampled angles do not see goes straight on

    def legendre(self, terms: int) -> tuple[F64, float]:
        """Return `terms` Legendre coefficients of the truncated phase function and the truncated fraction."""
        x, w = np.polynomial.legendre.leggauss(1200)
        values = np.polynomial.legendre.legvander(x, terms)
        order = 2 * np.arange(terms + 1) + 1
        beta = order / 2 * ((w * self.value(x)) @ values)
        beta += order * (1.0 - beta[0])  # what the sampled angles do not see goes straight on
        cut = beta[terms] / order[terms]
        return (beta[:terms] - cut * order[:terms]) / (1.0 - cut), float(cut)


class Layers:
    """An atmosphere of layers for many states at one wavelength."""

    def __init__(self, rayleigh: F64, aerosol: Aerosol, angles: tuple[float, ...]) -> None:
        """Divide total Rayleigh depths (state,) and the aerosol's over the layers; `angles` are zenith angles."""
        gauss, weight = np.polynomial.legendre.leggauss(STREAMS)
        self.mu = np.concatenate([(gauss + 1.0) / 2.0, np.cos(np.radians(angles))])
        self.contract = weight * self.mu[:STREAMS]  # 2 μ w, w on (0, 1)
        self.aerosol = aerosol
        self.beta, self.cut = aerosol.legendre(2 * STREAMS)
        above = np.exp(-np.array(LEVELS)[None, :] / SCALE_RAYLEIGH), np.exp(-np.array(LEVELS)[None, :] / SCALE_AEROSOL)
        self.rayleigh = rayleigh[:, None] * np.diff(above[0])
        self.scattered = aerosol.albedo * aerosol.depth[:, None] * np.diff(above[1])
        extinct = aerosol.depth[:, None] * np.diff(above[1])
        self.depth = self.rayleigh + extinct - self.cut * self.scattered

    def terms(self) -> F64:
        """Return the cosine terms (order, state, angle, angle) of the reflectance, truncated phase function."""
        size = len(self.mu) - STREAMS
        out = np.zeros((2 * STREAMS, *self.depth.shape[:1], size, size))
        for order in range(2 * STREAMS):
            out[order] = self._reflect(order)[:, STREAMS:, STREAMS:] * (1.0 if order == 0 else 2.0)
            if np.abs(out[order]).max() < 3e-6:
                break
        return out

    def single(self, sun: F64, view: F64, azimuth: F64, state: F64) -> F64:
        """
        Return what truncation takes from singly scattered light.

        Cosines of the zenith angles, azimuth in radians from the backward direction, index of the state; all of one
        shape.
        """
        cosine = -sun * view - np.sqrt((1 - sun**2) * (1 - view**2)) * np.cos(azimuth)
        cut = np.polynomial.legendre.legval(cosine, self.beta)
        missing = self.aerosol.value(cosine) - (1.0 - self.cut) * cut
        slant = 1.0 / sun + 1.0 / view
        depth, scattered = self.depth[state], self.scattered[state]
        below = np.zeros(np.shape(cosine))
        total = np.zeros(np.shape(cosine))
        for layer in range(depth.shape[-1]):
            part = np.exp(-below * slant) * (1.0 - np.exp(-depth[..., layer] * slant))
            total += scattered[..., layer] / np.maximum(depth[..., layer], 1e-12) * part
            below = below + depth[..., layer]
        return np.asarray(total * missing / (4.0 * (sun + view)))

    def _reflect(self, order: int) -> F64:
        """Cosine term of the reflectance of all layers (state, μ, μ), from the ground up."""
        total = None
        for layer in reversed(range(self.depth.shape[1])):
            reflect, transmit, direct = self._layer(layer, order)
            total = reflect if total is None else self._add(reflect, transmit, direct, total)[0]
        assert total is not None  # noqa: S101  (there are layers)
        return total

    def _layer(self, layer: int, order: int) -> tuple[F64, F64, F64]:
        """Reflection, diffuse and direct transmission of one uniform layer by doubling a thin one."""
        depth = self.depth[:, layer]
        doublings = max(1, int(np.ceil(np.log2(np.max(depth) / _THIN))))
        thin = depth / 2**doublings
        back, forward = self._scatter(layer, order)
        mu, mu0 = self.mu[:, None], self.mu[None, :]
        t = thin[:, None, None]
        reflect = back / (4 * (mu + mu0)) * (1 - np.exp(-t * (1 / mu + 1 / mu0)))
        gap = 1 / mu - 1 / mu0
        same = np.abs(gap) < 1e-9
        leave = np.where(same, t / mu**2, -np.expm1(-t * gap) / np.where(same, 1, gap) / (mu * mu0)) * np.exp(-t / mu0)
        transmit = forward / 4 * leave
        direct = np.exp(-thin[:, None] / self.mu)
        for _ in range(doublings):
            reflect, transmit = self._add(reflect, transmit, direct, reflect, transmit)
            direct = direct**2
        return reflect, transmit, direct

    def _scatter(self, layer: int, order: int) -> tuple[F64, F64]:
        """Albedo × cosine term of the phase function, backward and forward (state, μ, μ)."""
        terms = 2 * STREAMS
        air = np.zeros(terms)
        air[0], air[2] = 1.0, (1.0 - DEPOLARIZATION) / (2.0 + DEPOLARIZATION)
        mixed = self.rayleigh[:, layer, None] * air + (1 - self.cut) * self.scattered[:, layer, None] * self.beta
        mixed /= self.depth[:, layer, None]
        shapes = _associated(terms, order, self.mu)
        sign = (-1.0) ** (np.arange(terms) + order)
        forward = np.einsum("sl,li,lj->sij", mixed, shapes, shapes, optimize=True)
        back = np.einsum("sl,li,lj->sij", mixed * sign, shapes, shapes, optimize=True)
        return back, forward

    def _add(
        self, reflect: F64, transmit: F64, direct: F64, below: F64, transmit_below: F64 | None = None
    ) -> tuple[F64, F64]:
        """Put a uniform layer on top of another; the same layer again where `transmit_below` is given."""
        n, c = STREAMS, self.contract

        def product(a: F64, b: F64) -> F64:
            return np.asarray((a[:, :, :n] * c) @ b[:, :n, :])

        bounce = product(reflect, below)
        inverse = np.linalg.solve(np.eye(n) - bounce[:, :n, :n] * c, bounce[:, :n, :])
        many = bounce + (bounce[:, :, :n] * c) @ inverse
        down = transmit + product(many, transmit) + many * direct[:, None, :]
        up = product(below, down) + below * direct[:, None, :]
        total = reflect + direct[:, :, None] * up + product(transmit, up)
        if transmit_below is None:
            return total, total
        through = direct[:, :, None] * down + transmit_below * direct[:, None, :] + product(transmit_below, down)
        return total, through


def _associated(terms: int, order: int, mu: F64) -> F64:
    """Associated Legendre functions (term, μ), normalized so that the addition theorem has no factors."""
    out = np.zeros((terms, len(mu)))
    first = np.ones(len(mu))
    for k in range(1, order + 1):
        first = first * np.sqrt((2 * k - 1) / (2 * k)) * np.sqrt(1 - mu**2)
    if order < terms:
        out[order] = first
    if order + 1 < terms:
        out[order + 1] = np.sqrt(2 * order + 1) * mu * first
    for k in range(order + 2, terms):
        norm = np.sqrt(k**2 - order**2)
        out[k] = ((2 * k - 1) * mu * out[k - 1] - np.sqrt((k - 1) ** 2 - order**2) * out[k - 2]) / norm
    return out
