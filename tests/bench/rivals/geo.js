// Geohash cells, as plugins/reports/rules/geo.lua makes them.
'use strict';

const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';
const PRECISION = 9;
const METRES_PER_DEGREE = (6371008.8 * Math.PI) / 180;
const CELLS_MAX = 16;

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

function cover(box) {
  for (let precision = PRECISION; precision > 0; precision--) {
    const bits = precision * 5, longitudeBits = Math.ceil(bits / 2);
    const height = 180 / 2 ** (bits - longitudeBits), width = 360 / 2 ** longitudeBits;
    const row = Math.floor((box.south + 90) / height);
    const lastRow = Math.floor((box.north + 90) / height);
    const column = Math.floor((box.west + 180) / width);
    const lastColumn = Math.floor((box.east + 180) / width);
    if ((lastRow - row + 1) * (lastColumn - column + 1) > CELLS_MAX) continue;
    const cells = new Set();
    for (let y = row; y <= lastRow; y++) {
      for (let x = column; x <= lastColumn; x++) {
        cells.add(encode(Math.min(90, (y + 0.5) * height - 90),
          Math.min(180, (x + 0.5) * width - 180), precision));
      }
    }
    const list = [...cells]; // as many as a power of two, so that there are few statements
    while (!Number.isInteger(Math.log2(list.length))) list.push(list.at(-1));
    return list;
  }
  return [];
}

module.exports = { encode, boxAround, cover };
