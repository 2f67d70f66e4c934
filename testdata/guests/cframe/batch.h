// batch.h reads an encoded Batch as Go's abi.Batch.Decode does: all of it is
// checked, what a converter does not need as well.
#pragma once
#include "memory.h"
#include "wire.h"

// The bounds of a crossing (abi.MaxItems and so on).
enum {
  MAX_ITEMS = 256,
  MAX_BATCH = 1 << 20,
  MAX_POINTS = 4096,
  MAX_BATCH_POINTS = 16384,
  MAX_HEADERS = 256,
};

// batch is what stands before or after the records.
typedef struct {
  span *devices;
  u32 deviceCount, typeCount, nameCount, recordCount, pointCount;
  u64 deviceBytes; // of the devices as they are written
  i64 base;
  span records[MAX_ITEMS];
} batch;

// record is one record, with those of its fields that a converter carries on.
typedef struct {
  u32 device;
  i64 time;
  span payload, key, sourceKey;
  u32 headers; // how many
  span raw;    // the whole record, for its headers
} record;

static buffer deviceTable;

static bool readTables(batch *b, span src) {
  b->deviceCount = b->typeCount = b->nameCount = b->recordCount = b->pointCount = 0;
  b->deviceBytes = 0;
  b->base = 0;
  if (src.size > MAX_BATCH) return false;
  reader r = readOf(src);
  while (next(&r)) {
    switch (r.tag) {
    case FIELD(1, BYTES):
      isText(&r);
      reserve(&deviceTable, (b->deviceCount + 1) * sizeof(span), b->deviceCount * sizeof(span));
      ((span *)deviceTable.at)[b->deviceCount++] = r.bytes;
      b->deviceBytes += r.bytes.size + 5;
      break;
    case FIELD(2, BYTES):
      isText(&r);
      b->typeCount++;
      break;
    case FIELD(3, BYTES):
      isText(&r);
      b->nameCount++;
      break;
    case FIELD(4, FIXED64):
      b->base = (i64)r.number;
      break;
    case FIELD(5, BYTES):
      if (b->recordCount == MAX_ITEMS) return false;
      b->records[b->recordCount++] = r.bytes;
      break;
    }
  }
  b->devices = (span *)deviceTable.at;
  return !r.bad;
}

static __attribute__((noinline)) bool checkPoint(batch *b, span src) {
  u32 name = 0, unit = 0;
  reader r = readOf(src);
  while (next(&r)) {
    switch (r.tag) {
    case FIELD(1, VARINT):
      name = (u32)r.number;
      break;
    case FIELD(2, VARINT):
      unit = (u32)r.number;
      break;
    case FIELD(7, BYTES):
      isText(&r);
      break;
    }
  }
  return !r.bad && name < b->nameCount && unit <= b->nameCount && ++b->pointCount <= MAX_BATCH_POINTS;
}

// readHeader reads one header of a record.
static __attribute__((noinline)) bool readHeader(span src, span *name, span *value) {
  *name = *value = (span){0};
  reader r = readOf(src);
  while (next(&r)) {
    if (r.tag == FIELD(1, BYTES) && isText(&r)) *name = r.bytes;
    if (r.tag == FIELD(2, BYTES)) *value = r.bytes;
  }
  return !r.bad;
}

static inline bool readRecord(batch *b, span src, record *out) {
  u32 device = 0, type = 0, points = 0;
  i64 after = 0;
  span name, value;
  *out = (record){.raw = src};
  reader r = readOf(src);
  while (next(&r)) {
    switch (r.tag) {
    case FIELD(1, VARINT):
      device = (u32)r.number;
      break;
    case FIELD(3, VARINT):
      after = unzigzag(r.number);
      break;
    case FIELD(4, VARINT):
      type = (u32)r.number;
      break;
    case FIELD(5, BYTES):
      out->payload = r.bytes;
      break;
    case FIELD(6, BYTES):
      if (++points > MAX_POINTS || !checkPoint(b, r.bytes)) bad(&r);
      break;
    case FIELD(7, BYTES):
      out->key = r.bytes;
      break;
    case FIELD(8, BYTES):
      if (++out->headers > MAX_HEADERS || !readHeader(r.bytes, &name, &value)) bad(&r);
      break;
    case FIELD(9, BYTES):
      if (isText(&r)) out->sourceKey = r.bytes;
      break;
    }
  }
  out->device = device;
  out->time = (i64)((u64)b->base + (u64)after);
  return !r.bad && device < b->deviceCount && type <= b->typeCount;
}
