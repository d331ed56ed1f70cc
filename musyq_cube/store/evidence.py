"""Evidence beside a product: how well its sensors agree, as a table and a picture."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from musyq_cube.store import access
from musyq_cube.store import conventions as c
from musyq_cube.store.item import file_asset

if TYPE_CHECKING:
    import pystac

    from musyq_cube.normalize.certificate import Certificate


def write_certificate(certificate: Certificate, folder: str) -> dict[str, pystac.Asset]:
    """
    Write the consistency certificate of a product into its folder.

    Parameters
    ----------
    certificate
        Of all its blocks.
    folder
        Of the product.

    Returns
    -------
    dict of pystac.Asset
        ``certificate`` (statistics and sums as JSON) and, where sensors could be compared, ``certificate-plot``.
    """
    table = json.dumps(certificate.summary() | {"sums": certificate.sums.to_dict()}, indent=1).encode()
    access.write_bytes(access.join(folder, c.CERTIFICATE_NAME), table)
    title, roles = "How well the sensors agree, before and after each step", [c.ROLE_PROVENANCE]
    out = {"certificate": file_asset(f"./{c.CERTIFICATE_NAME}", table, c.MEDIA_JSON, roles, title)}
    if certificate.pairs:
        picture = draw(certificate)
        access.write_bytes(access.join(folder, c.CERTIFICATE_PLOT_NAME), picture)
        out["certificate-plot"] = file_asset(f"./{c.CERTIFICATE_PLOT_NAME}", picture, c.MEDIA_PNG, ["overview"], title)
    return out


def draw(certificate: Certificate) -> bytes:
    """Return a PNG: for each pair of sensors the RMSD by band after every step, and the pixels of the first band."""
    from matplotlib.figure import Figure

    pairs = certificate.pairs
    figure = Figure(figsize=(11, 4.2 * len(pairs)), layout="constrained")
    for row, pair in zip(figure.subplots(len(pairs), 2, squeeze=False), pairs, strict=True):
        certificate.plot(pair, kind="bars", ax=row[0])
        certificate.plot(pair, ax=row[1])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
