"""Periods of time: text to half-open UTC intervals, and their division into composite windows."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TypeAlias

from musyq_cube.errors import CompositeError

PeriodLike: TypeAlias = "str | dt.date | dt.datetime | tuple[Instant, Instant] | Period"
"""Whatever :func:`parse_period` understands."""

Instant: TypeAlias = "str | dt.date | dt.datetime"
"""One end of an interval."""

OPEN_END = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
"""The end of a period that has none (``2018-07/..``): good for searching, not for splitting."""

_SEASONS = {12: "DJF", 3: "MAM", 6: "JJA", 9: "SON"}
_EVERY = re.compile(r"P([0-9]+)([DWMY])|PT([0-9]+)(H)")
_TEXT = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_MOST_WINDOWS = 100_000


@dataclass(frozen=True, order=True)
class Period:
    """
    A half-open interval of time ``[start, end)``, aware, UTC.

    `label` names it in file names and Item ids: short where it is a calendar unit, sortable among the labels of one
    :func:`split`. It does not take part in comparison.
    """

    start: dt.datetime
    end: dt.datetime
    name: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is not an interval."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise CompositeError(f"period {self.start}/{self.end}: both ends must be aware datetimes; add tzinfo=UTC")
        if self.end <= self.start:
            raise CompositeError(f"period {self.start:%Y-%m-%dT%H:%M:%SZ}/{self.end:%Y-%m-%dT%H:%M:%SZ} is empty")

    @property
    def label(self) -> str:
        """Stable name, such as ``2018``, ``2018-07``, ``2018-07-01_P5D`` or ``2018-01-01_2018-03-31``."""
        return self.name or _label(self.start, self.end)

    @property
    def middle(self) -> dt.datetime:
        """The instant halfway."""
        return self.start + (self.end - self.start) / 2

    def contains(self, time: dt.datetime) -> bool:
        """Whether `time` (naive means UTC) lies in the period; the end does not."""
        return self.start <= _aware(time) < self.end

    def to_dict(self) -> dict[str, str]:
        """Return plain JSON values."""
        out = {"start": self.start.isoformat(), "end": self.end.isoformat()}
        return out | ({"name": self.name} if self.name else {})

    @classmethod
    def from_dict(cls, data: dict[str, str]) -> Period:
        """Rebuild what `to_dict` wrote."""
        start, end = (dt.datetime.fromisoformat(data[key]) for key in ("start", "end"))
        return cls(start, end, data.get("name"))

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}".replace("+00:00", "Z")


def parse_period(value: PeriodLike) -> Period:
    """
    Turn text or dates into a half-open UTC interval.

    Parameters
    ----------
    value
        ``"2018"``, ``"2018-07"``, ``"2018-07-15"`` (the whole unit); ``"2018-01/2018-03"`` (the end unit is included);
        timestamps ``"2018-07-01T00:00:00Z/2018-08-01T00:00:00Z"`` (an end with a time of day is exclusive);
        ``"2018-07/.."`` (no end); a date, a datetime, or a pair of any of these. Naive datetimes are UTC.

    Raises
    ------
    CompositeError
        If the text is no period, or the interval is empty.

    Examples
    --------
    >>> str(parse_period("2018-01/2018-03"))
    '2018-01-01T00:00:00Z/2018-04-01T00:00:00Z'
    >>> parse_period("2018-07").label
    '2018-07'
    """
    if isinstance(value, Period):
        return value
    if isinstance(value, str) and "/" in value:
        first, _, last = value.partition("/")
        value = (first.strip(), last.strip())
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise CompositeError(f"period {value!r}: give (start, end)")
        end = OPEN_END if value[1] in ("..", "", None) else _unit(value[1])[1]
        return Period(_unit(value[0])[0], end)
    start, end = _unit(value)
    return Period(start, max(end, start + dt.timedelta(seconds=1)))


def split(
    period: PeriodLike, every: str | None, anchor: dt.date | str | None = None, *, clip: bool = True
) -> list[Period]:
    """
    Divide a period into consecutive windows.

    Parameters
    ----------
    period
        What to divide.
    every
        ISO 8601 duration of hours, days, weeks, months or years (``"PT3H"``, ``"P5D"``, ``"P1M"``), ``"season"``
        (December–February, March–May, …) or None (the period itself).
    anchor
        A date on which a window begins. Default: the start of the period for days and weeks (no fixed calendar), the
        first of January for months and years. Windows run both ways from it.
    clip
        Cut the first and the last window at the ends of the period; False: keep them whole.

    Returns
    -------
    list of Period
        In order, gap-free. A window cut by the ends of the period has its dates as label.

    Examples
    --------
    >>> [p.label for p in split("2018", "season")]
    ['2018-01-01_2018-02-28', '2018-03_MAM', '2018-06_JJA', '2018-09_SON', '2018-12-01_2018-12-31']
    >>> [p.label for p in split("2013-12-01/2013-12-06", "P5D", anchor="2013-12-02")]
    ['2013-12-01_2013-12-01', '2013-12-02_P5D']
    """
    whole = parse_period(period)
    if every is None:
        return [whole]
    if whole.end == OPEN_END:
        raise CompositeError(f"period {whole}: give its end to divide it by {every!r}")
    windows = _windows(whole, every, None if anchor is None else _unit(anchor)[0])
    return [w if not clip or (w.start >= whole.start and w.end <= whole.end) else _clip(w, whole) for w in windows]


def _windows(whole: Period, every: str, anchor: dt.datetime | None) -> list[Period]:
    count, unit = _duration(every)
    if unit in "HDW":
        step = count * {"H": dt.timedelta(hours=1), "D": dt.timedelta(days=1), "W": dt.timedelta(days=7)}[unit]
        origin = anchor or whole.start
        first = (whole.start - origin) // step

        def edge(i: int) -> dt.datetime:
            return origin + i * step

    else:
        months = count * (12 if unit == "Y" else 1)
        base = anchor or (dt.datetime(1999, 12, 1, tzinfo=dt.UTC) if every == "season" else _MONTH_ORIGIN)
        ahead = (whole.start.year - base.year) * 12 + whole.start.month - base.month
        first = (ahead - 1) // months

        def edge(i: int) -> dt.datetime:
            return _add_months(base, i * months)

    out: list[Period] = []
    for i in range(first, first + _MOST_WINDOWS):
        start, end = edge(i), edge(i + 1)
        if start >= whole.end:
            return out
        if end > whole.start:
            out.append(Period(start, end, _window_label(start, end, every)))
    raise CompositeError(f"period {whole} divided by {every!r} gives more than {_MOST_WINDOWS} windows")


_MONTH_ORIGIN = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def _duration(every: str) -> tuple[int, str]:
    if every == "season":
        return 3, "M"
    match = _EVERY.fullmatch(every)
    count, unit = (match[1] or match[3], match[2] or match[4]) if match else ("0", "")
    if int(count) == 0:
        raise CompositeError(f'every={every!r}: use an ISO 8601 duration such as "PT3H", "P5D", "P1M" or "season"')
    return int(count), unit


def _window_label(start: dt.datetime, end: dt.datetime, every: str) -> str:
    if every == "season":
        return f"{start:%Y-%m}_{_SEASONS[start.month]}" if start.month in _SEASONS else f"{start:%Y-%m}_P3M"
    calendar = _label(start, end)
    if "_" not in calendar:
        return calendar
    if every.startswith("PT"):
        return f"{start:%Y-%m-%dT%H%M}_{every}"
    whole_months = every[-1] in "MY" and start.day == 1
    return f"{start:%Y-%m}_{every}" if whole_months else f"{start:%Y-%m-%d}_{every}"


def _clip(window: Period, whole: Period) -> Period:
    start, end = max(window.start, whole.start), min(window.end, whole.end)
    return Period(start, end, _dates(start, end))


def _label(start: dt.datetime, end: dt.datetime) -> str:
    for form in ("%Y", "%Y-%m", "%Y-%m-%d"):
        text = start.strftime(form)
        if _unit(text) == (start, end):
            return text
    return _dates(start, end)


def _dates(start: dt.datetime, end: dt.datetime) -> str:
    """First and last instant, both included; as dates where both ends are midnights."""
    if start.time() == end.time() == dt.time():
        return f"{start:%Y-%m-%d}_{end - dt.timedelta(days=1):%Y-%m-%d}"
    return f"{start:%Y%m%dT%H%M%SZ}_{end:%Y%m%dT%H%M%SZ}"


def _unit(value: Instant) -> tuple[dt.datetime, dt.datetime]:
    """Start and end of the unit a value names; a time of day is an instant."""
    if isinstance(value, dt.datetime):
        return (_aware(value),) * 2
    if isinstance(value, dt.date):
        start = dt.datetime.combine(value, dt.time(), dt.UTC)
        return start, start + dt.timedelta(days=1)
    try:
        match = _TEXT.fullmatch(value)
        if not match:
            return (_aware(dt.datetime.fromisoformat(value)),) * 2
        year, month, day = (int(part) if part else None for part in match.groups())
        start = dt.datetime(year or 0, month or 1, day or 1, tzinfo=dt.UTC)
    except (ValueError, TypeError) as error:
        raise CompositeError(
            f'period {value!r}: use "2018", "2018-07", "2018-07-15" or "2018-01/2018-03" ({error})'
        ) from error
    return start, start + dt.timedelta(days=1) if day else _add_months(start, 1 if month else 12)


def _add_months(time: dt.datetime, months: int) -> dt.datetime:
    """Shift by calendar months; a day past the end of the month becomes its last day."""
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    following = dt.date(year + month // 11, (month + 1) % 12 + 1, 1)
    last = (following - dt.timedelta(days=1)).day
    return time.replace(year=year, month=month + 1, day=min(time.day, last))


def _aware(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)
