// What a report looks like outside, and which reports are alike: as plugins/reports/rules/ has it.
'use strict';

const IGNORED = new Set(`a an and are at be been by for from had has have in into is it its near
  of off on or our out over please so that the their there this to under very was were
  with`.split(/\s+/));

const thumbnailUrl = (fileId) => `/api/v1/files/thumbnail/${fileId}?w=320&h=320`;

function publicView(row) {
  return {
    id: row.id, title: row.title, description: row.description ?? undefined,
    category: row.category, severity: row.severity_level, status: row.status,
    location: {
      description: row.location_description ?? undefined, latitude: row.latitude ?? undefined,
      longitude: row.longitude ?? undefined, accuracy: row.location_accuracy ?? undefined,
    },
    createdAt: row.created_at, updatedAt: row.updated_at,
    resolvedAt: row.resolved_at ?? undefined, distance: row.distance ?? undefined,
  };
}

function memberView(row) {
  const view = publicView(row);
  view.tags = row.tags;
  view.isAnonymous = row.reporter_id === null;
  view.source = row.source;
  view.metadata = row.metadata;
  view.duplicateOf = row.duplicate_of ?? undefined;
  view.slaDueAt = row.sla_due_at ?? undefined;
  view.version = row.version;
  view.thumbnailUrl = row.cover_id ? thumbnailUrl(row.cover_id) : undefined;
  return view;
}

function fullView(row) {
  const view = memberView(row);
  view.trackingCode = row.tracking_code;
  view.followerCount = 0;
  view.reporter = { userId: row.reporter_id ?? undefined };
  return view;
}

function attachmentView(row) {
  return {
    id: row.id, fileId: row.file_id, url: `/api/v1/files/${row.file_id}`,
    thumbnailUrl: row.file_type.startsWith('image/') ? thumbnailUrl(row.file_id) : undefined,
    type: row.file_type, size: row.file_size, width: row.width ?? undefined,
    height: row.height ?? undefined, caption: row.caption ?? undefined, position: row.position,
    kind: row.kind ?? undefined,
  };
}

function changeView(row, isStaff) {
  return {
    id: isStaff ? row.change_id : undefined, from: row.from_status ?? undefined, to: row.to_status,
    reason: (isStaff ? row.reason : row.public_reason) ?? undefined,
    changedBy: isStaff ? row.changed_by ?? undefined : undefined, createdAt: row.changed_at,
  };
}

function wordsOf(text) {
  const words = new Set();
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    if (word.length > 1 && !IGNORED.has(word)) words.add(word);
  }
  return [...words].sort();
}

function areCommon(words, text) {
  const others = new Set(wordsOf(text));
  return words.length > 0 && words.filter((word) => others.has(word)).length * 2 >= words.length;
}

module.exports = { publicView, memberView, fullView, attachmentView, changeView, wordsOf, areCommon };
