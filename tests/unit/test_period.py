"""Periods against the calendar of the standard library."""

import calendar
import datetime as dt
from itertools import pairwise

import pytest

from musyq_cube.errors import CompositeError
from musyq_cube.period import OPEN_END, Period, parse_period, split


def day(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "start", "end", "label"),
    [
        ("2018", "2018-01-01", "2019-01-01", "2018"),
        ("2018-07", "2018-07-01", "2018-08-01", "2018-07"),
        ("2016-02", "2016-02-01", "2016-03-01", "2016-02"),
        ("2018-12-31", "2018-12-31", "2019-01-01", "2018-12-31"),
        ("2018-01/2018-03", "2018-01-01", "2018-04-01", "2018-01-01_2018-03-31"),
        ("2018-01-01/2018-12-31", "2018-01-01", "2019-01-01", "2018"),
        ("2018-07-01T00:00:00Z/2018-08-01T00:00:00Z", "2018-07-01", "2018-08-01", "2018-07"),
        (("2018-07", dt.date(2018, 8, 31)), "2018-07-01", "2018-09-01", "2018-07-01_2018-08-31"),
        (dt.date(2018, 7, 15), "2018-07-15", "2018-07-16", "2018-07-15"),
    ],
)
def test_text_and_dates_become_half_open_intervals(text, start, end, label):
    period = parse_period(text)
    assert (period.start, period.end, period.label) == (day(start), day(end), label)
    assert period.contains(period.start)
    assert not period.contains(period.end)
    assert parse_period(period) is period
    assert Period.from_dict(period.to_dict()) == period


def test_times_of_other_zones_are_converted():
    eight = dt.timezone(dt.timedelta(hours=8))
    period = parse_period((dt.datetime(2018, 7, 1, 8, tzinfo=eight), "2018-07-01"))
    assert period == parse_period("2018-07-01")
    assert parse_period("2018-07").contains(dt.datetime(2018, 7, 1, 7, tzinfo=eight)) is False


def test_an_open_end_can_be_searched_but_not_divided():
    period = parse_period("2018-07/..")
    assert period.end == OPEN_END
    with pytest.raises(CompositeError, match="give its end"):
        split(period, "P1M")


@pytest.mark.parametrize("text", ["", "18", "2018-13", "2018-02-30", "yesterday", "2018-07/2018-06", ("2018",), 2018])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(CompositeError):
        parse_period(text)


@pytest.mark.parametrize("every", ["P0D", "5D", "P1H", "month", ""])
def test_what_is_no_duration_is_refused(every):
    with pytest.raises(CompositeError, match="P5D"):
        split("2018", every)


def test_months_are_those_of_the_calendar():
    months = split("2015/2016", "P1M")
    assert [(m.end - m.start).days for m in months] == [
        calendar.monthrange(y, m)[1] for y in (2015, 2016) for m in range(1, 13)
    ]
    assert months[13].label == "2016-02"


def test_five_day_windows_lie_where_the_anchor_says():
    # the two dated composites of the original system: no fixed five-day calendar contains both
    assert split("2012-07-06/2012-07-10", "P5D")[0].label == "2012-07-06_P5D"
    windows = split("2013-11-27/2013-12-11", "P5D", anchor="2012-07-06")
    assert {w.start for w in windows if (w.end - w.start).days == 5} == {
        day("2012-07-06") + dt.timedelta(days=5 * n) for n in range(102, 104)
    }
    assert "2013-12-02_P5D" in [w.label for w in split("2013", "P5D", anchor="2013-12-02")]


def test_seasons_keep_the_winter_together():
    labels = [p.label for p in split("2017-12/2018-11", "season")]
    assert labels == ["2017-12_DJF", "2018-03_MAM", "2018-06_JJA", "2018-09_SON"]


def test_unclipped_windows_are_whole():
    windows = split("2018-01-15/2018-03-15", "P1M", clip=False)
    assert [w.label for w in windows] == ["2018-01", "2018-02", "2018-03"]


@pytest.mark.parametrize("every", ["P1D", "P5D", "P2W", "P1M", "P3M", "P1Y", "season"])
def test_windows_are_gap_free_sorted_and_cover_the_period(every):
    whole = parse_period("2016-01-20/2018-03-09")
    windows = split(whole, every, anchor="2017-05-31" if every == "P1M" else None)
    assert windows[0].start == whole.start
    assert windows[-1].end == whole.end
    assert all(a.end == b.start for a, b in pairwise(windows))
    labels = [w.label for w in windows]
    assert labels == sorted(set(labels))
