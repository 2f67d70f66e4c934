// cframe is a converter without a runtime, a library or an allocator: the
// least that the contract of ../../../guest-sdk/abi/snaprail.proto asks of a
// guest. It does what the connector textframe does with the config of its
// README, and answers the same bytes.
#include "batch.h"
#include "frame.h"
#include "memory.h"
#include "wire.h"

#define EXPORT(name) __attribute__((export_name(name)))

// The two buffers that the host touches.
static buffer input, reply;

static const u64 errorBit = (u64)1 << 31;

static u64 answer(const u8 *at, const u8 *end) { return (u64)(uintptr_t)at << 32 | (u64)(end - at); }

EXPORT("snaprail_alloc") u8 *allocate(int32_t n) {
  if (n < 0) return NULL;
  reserve(&input, (u32)n < 16384 ? 16384 : (u32)n, 0);
  return input.at;
}

EXPORT("describe") u64 describe(u32 at, u32 size) {
  (void)at, (void)size;
  static const u8 text[] = "{\"entry_points\":[\"open\",\"convert\"]}";
  return answer(text, text + sizeof text - 1);
}

EXPORT("open") u64 open(u32 at, u32 size) {
  (void)at, (void)size;
  return 0; // an empty outcome
}

// unreadable is the answer to an input that is no batch.
static u64 unreadable(void) {
  reserve(&reply, 512, 0);
  u8 *to = putNumber(reply.at, 1, 1);
  to = putBytes(to, 2, TEXT("bad_input"));
  to = putBytes(to, 3, TEXT("the input of convert cannot be read: malformed message"));
  to = putBytes(to, 4, TEXT("The host speaks another version of the contract, or is at fault: report this to who runs it."));
  return answer(reply.at, to) | errorBit;
}

// table holds the devices of the outcome: their places in the input's table,
// in the order of their first use.
typedef struct {
  u32 count;
  u32 places[MAX_ITEMS];
  u32 last, lastIndex; // of the record before
} table;

static bool equal(span a, span b) {
  if (a.size != b.size) return false;
  for (u32 i = 0; i < a.size; i++)
    if (a.at[i] != b.at[i]) return false;
  return true;
}

// indexOf is the index of a device of the input in the outcome.
static inline u32 indexOf(table *t, const batch *b, u32 place) {
  if (t->count > 0 && place == t->last) return t->lastIndex;
  t->last = place;
  for (u32 i = 0; i < t->count; i++)
    if (t->places[i] == place || equal(b->devices[t->places[i]], b->devices[place])) return t->lastIndex = i;
  t->places[t->count] = place;
  return t->lastIndex = t->count++;
}

// The names of the points, and their units.
static const u8 names[] = "\x1a\x0btemperature\x1a\x03" "Cel\x1a\x08humidity\x1a\x01%\x1a\x07" "battery";

// lead is a point up to its value: its name, its unit and the tag of an int, as
// the low bytes of a word. A name is an index into the names, a unit one more.
typedef struct {
  u64 word;
  u32 size;
} lead;

static const lead leads[FIELDS] = {{0x200210, 3}, {0x2004100208, 5}, {0x2004100408, 5}};

// putPoint writes one. A value of two characters is below 256 in zigzag.
static inline u8 *putPoint(u8 *to, lead l, u64 value) {
  u32 size = l.size + 1 + (value >= 0x80);
  u64 digits = value >= 0x80 ? value | 1 << 8 : value; // the lowest 7 bits with a mark, and the eighth
  u64 word = l.word | digits << (8 * l.size);
  *to++ = FIELD(6, BYTES);
  *to++ = (u8)size;
  __builtin_memcpy(to, &word, sizeof word); // what is too much is written over
  return to + size;
}

// putCarried writes what a record came with.
static u8 *putCarried(u8 *to, const record *in) {
  if (in->key.size > 0) to = putBytes(to, 7, in->key);
  reader r = readOf(in->raw);
  while (in->headers > 0 && next(&r)) {
    if (r.tag != FIELD(8, BYTES)) continue;
    span name, value;
    readHeader(r.bytes, &name, &value);
    *to++ = FIELD(8, BYTES);
    u8 *mark = to++;
    if (name.size > 0) to = putBytes(to, 1, name);
    if (value.size > 0) to = putBytes(to, 2, value);
    to = endMessage(mark, to);
  }
  if (in->sourceKey.size > 0) to = putBytes(to, 9, in->sourceKey);
  return to;
}

static inline u8 *putRecord(u8 *to, const record *in, u32 device, i64 after, const values *v) {
  *to++ = FIELD(5, BYTES);
  u8 *mark = to++;
  to = putNumber(to, 1, device);
  to = putNumber(to, 3, zigzag(after));
  for (u32 f = 0; f < FIELDS; f++) to = putPoint(to, leads[f], zigzag(v->of[f]));
  if (in->key.size | in->headers | in->sourceKey.size) to = putCarried(to, in);
  return endMessage(mark, to);
}

static u8 *putTables(u8 *to, const batch *b, const table *t, i64 base) {
  for (u32 i = 0; i < t->count; i++) to = putBytes(to, 1, b->devices[t->places[i]]);
  to = putRaw(to, (span){names, sizeof names - 1});
  if (base == 0) return to;
  *to++ = FIELD(4, FIXED64);
  __builtin_memcpy(to, &base, sizeof base);
  return to + sizeof base;
}

// verdict says that an input does not fit.
typedef struct {
  u32 input;
  fault why;
} verdict;

static u8 *putVerdict(u8 *to, const verdict *v) {
  static u8 reason[MAX_REASON];
  *to++ = FIELD(2, BYTES);
  u8 *mark = to++;
  to = putNumber(to, 1, v->input);
  to = putNumber(to, 2, 2); // reject
  to = putBytes(to, 3, (span){reason, (u32)(putReason(reason, v->why) - reason)});
  return endMessage(mark, to);
}

EXPORT("convert") u64 convert(const u8 *at, u32 size) {
  static batch b;
  static table devices;
  static verdict verdicts[MAX_ITEMS];
  if (size > 0 && (at != input.at || size > input.size)) return unreadable();
  if (!readTables(&b, (span){at, size})) return unreadable();

  // The records come first, behind room for the tables: those are known when
  // the records are written, and end where these begin.
  u32 head = (u32)b.deviceBytes + 128, most = head + 2 * size + MAX_ITEMS * (MAX_REASON + 64);
  reserve(&reply, most, 0);
  u8 *records = reply.at + head, *to = records;
  u32 rejected = 0;
  i64 base = 0;
  devices.count = 0;
  for (u32 i = 0; i < b.recordCount; i++) {
    record in;
    values v;
    if (!readRecord(&b, b.records[i], &in)) return unreadable();
    fault why = cut(in.payload, &v);
    if (why.why != FITS) {
      verdicts[rejected++] = (verdict){i, why};
      continue;
    }
    if (devices.count == 0) base = in.time;
    to = putRecord(to, &in, indexOf(&devices, &b, in.device), (i64)((u64)in.time - (u64)base), &v);
  }

  u8 *start = records;
  if (devices.count > 0) {
    u8 *tables = reply.at, *tablesEnd = putTables(tables, &b, &devices, base);
    u32 content = (u32)(tablesEnd - tables) + (u32)(to - records);
    start = records - (tablesEnd - tables);
    __builtin_memmove(start, tables, (size_t)(tablesEnd - tables));
    start -= 1 + sizeOfVarint(content);
    *start = FIELD(1, BYTES);
    putVarint(start + 1, content);
  }
  for (u32 i = 0; i < rejected; i++) to = putVerdict(to, &verdicts[i]);
  return answer(start, to);
}
