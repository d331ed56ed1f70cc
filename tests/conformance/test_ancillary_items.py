"""Items of ancillary data against the schemas of STAC and its extensions."""

import datetime as dt
import json

from musyq_cube.catalog import register_ancillary
from musyq_cube.testing.reanalysis import write_era5

from .test_stac_schemas import errors, schemas  # noqa: F401  (fixtures)


def test_ancillary_items_and_their_collection_fulfil_the_schemas(tmp_path, errors, schemas):  # noqa: F811
    write_era5(tmp_path / "a.nc", [dt.datetime(2014, 7, 1, hour, tzinfo=dt.UTC) for hour in (0, 1)])
    (tmp_path / "s.csv").write_text("time,lon,lat,temp (degC)\n2014-07-01T00:00Z,5,50,20\n2014-07-01T01:00Z,5,50,21\n")
    assert len(register_ancillary(tmp_path, tmp_path / "cat").items) == 5
    documents = [json.loads(path.read_text()) for path in (tmp_path / "cat").glob("*/*/*.json")]
    assert len(documents) == 5
    for document in documents:
        assert errors("https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json", document) == []
        for uri in document["stac_extensions"]:
            assert uri in schemas
            assert errors(uri, document) == []
