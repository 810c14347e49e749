// Geohash cells, as plugins/reports/rules/geo.lua makes them.
'use strict';

const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';
const PRECISION = 9;
const METRES_PER_DEGREE = (6371008.8 * Math.PI) / 180;
const AREA_LETTERS = 5, AREAS = 4;

function encode(latitude, longitude, precision = PRECISION) {
  let south = -90, north = 90, west = -180, east = 180, isLongitude = true, text = '';
  for (let i = 0; i < precision; i++) {
    let index = 0;
    for (let bit = 0; bit < 5; bit++) {
      const middle = isLongitude ? (west + east) / 2 : (south + north) / 2;
      const above = (isLongitude ? longitude : latitude) >= middle;
      if (isLongitude) {
        if (above) west = middle; else east = middle;
      } else if (above) south = middle; else north = middle;
      index = index * 2 + (above ? 1 : 0);
      isLongitude = !isLongitude;
    }
    text += ALPHABET[index];
  }
  return text;
}

function boxAround(latitude, longitude, radius) {
  const dLat = radius / METRES_PER_DEGREE;
  const dLng = Math.min(180, dLat / Math.max(Math.cos((latitude * Math.PI) / 180), 1e-6));
  return {
    south: Math.max(-90, latitude - dLat), north: Math.min(90, latitude + dLat),
    west: Math.max(-180, longitude - dLng), east: Math.min(180, longitude + dLng),
  };
}

// The areas that a box touches, the last one repeated: four, so that there is one statement.
function areas(box) {
  const size = 180 / 2 ** 12;
  const row = Math.floor((box.south + 90) / size), lastRow = Math.floor((box.north + 90) / size);
  const column = Math.floor((box.west + 180) / size);
  const lastColumn = Math.floor((box.east + 180) / size);
  const list = [];
  for (let y = row; y <= lastRow; y++) {
    for (let x = column; x <= lastColumn; x++) {
      list.push(encode((y + 0.5) * size - 90, (x + 0.5) * size - 180, AREA_LETTERS));
    }
  }
  while (list.length < AREAS) list.push(list.at(-1));
  return list;
}

module.exports = { encode, boxAround, areas };
