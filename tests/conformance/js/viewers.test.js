// Starts from the address of a published Item, as STAC Browser does, and follows it to pixels.
// MUSYQ_ITEM_URL: the Item behind a web server. MUSYQ_EXPECTED: {bands, shape, resolutions, colormap}.
import assert from 'node:assert/strict';
import test from 'node:test';

import {get as getProjection} from 'ol/proj.js';
import {register} from 'ol/proj/proj4.js';
import GeoZarr from 'ol/source/GeoZarr.js';
import TileState from 'ol/TileState.js';
import {getGeoZarrSourceOptionsFromAsset, getGeoZarrStyleFromAsset} from 'ol-stac/util.js';
import proj4 from 'proj4';
import create from 'stac-js';

const url = process.env.MUSYQ_ITEM_URL;
const expected = JSON.parse(process.env.MUSYQ_EXPECTED ?? '{}');
register(proj4);

const item = create(await (await fetch(url)).json());
item.setAbsoluteUrl(url);

/** Wait until a source has read its metadata. */
function ready(source) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (source.getState() === 'ready') {
        resolve(source);
      } else if (source.getState() === 'error') {
        reject(source.getError?.() ?? new Error('the source is in state error'));
      }
    };
    source.on('change', look);
    look();
  });
}

/** Load one tile of a source. */
function load(tile) {
  return new Promise((resolve, reject) => {
    tile.addEventListener('change', () => {
      if (tile.getState() === TileState.LOADED) {
        resolve(tile.getData());
      } else if (tile.getState() === TileState.ERROR) {
        reject(tile.getError?.() ?? new Error('the tile is in state error'));
      }
    });
    tile.load();
  });
}

test('stac-js takes the product as its default web-optimized Zarr', () => {
  const asset = item.getDefaultGeoFile('geozarr', true, true);
  assert.equal(asset?.getKey(), 'data');
});

test('ol-stac draws the bands and the colours of the render', () => {
  const asset = item.getDefaultGeoFile('geozarr', true, true);
  const options = getGeoZarrSourceOptionsFromAsset(asset, []);
  assert.deepEqual(options.bands, expected.bands);
  const style = getGeoZarrStyleFromAsset(asset, options);
  assert.equal(style.color[0], expected.colormap ? 'palette' : 'color');
});

test('the thumbnail is found', () => {
  assert.ok(item.getThumbnails().length > 0);
});

test('OpenLayers opens the store and reads a tile', async () => {
  const asset = item.getDefaultGeoFile('geozarr', true, true);
  const options = getGeoZarrSourceOptionsFromAsset(asset, []);
  if (expected.wkt2) {
    proj4.defs('MUSYQ:1', expected.wkt2);
    register(proj4);
    options.projection = getProjection('MUSYQ:1');
  }
  const source = await ready(new GeoZarr(options));
  const grid = source.getTileGrid();
  assert.deepEqual(grid.getResolutions(), expected.resolutions);
  const data = await load(source.getTile(0, 0, 0, 1, source.getProjection()));
  assert.equal(data[0], expected.firstPixel, 'upper left pixel of the coarsest level, first band');
});
