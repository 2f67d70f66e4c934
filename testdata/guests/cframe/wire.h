// wire.h reads and writes the protobuf wire format, as package abi/wire of the
// Go SDK does: what one refuses, the other refuses.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define TEXT(literal) ((span){(const u8 *)(literal), sizeof(literal) - 1})

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

#define FIELD(number, type) ((number) << 3 | (type))

// span is bytes of somebody else's.
typedef struct {
  const u8 *at;
  u32 size;
} span;

// reader walks the fields of one message.
typedef struct {
  const u8 *at, *end;
  u32 tag;
  u64 number; // of a varint or fixed field
  span bytes; // of a length-delimited field
  bool bad;
} reader;

static inline reader readOf(span message) {
  return (reader){.at = message.at, .end = message.at + message.size};
}

static inline u64 load64(const u8 *at) {
  u64 v;
  __builtin_memcpy(&v, at, sizeof v);
  return v;
}

static inline u32 load32(const u8 *at) {
  u32 v;
  __builtin_memcpy(&v, at, sizeof v);
  return v;
}

// uvarint reads the number at r->at and moves behind it.
static bool uvarint(reader *r, u64 *out) {
  u64 v = 0;
  for (u32 shift = 0; r->at < r->end && shift < 70; shift += 7) {
    u8 b = *r->at++;
    if (b < 0x80) {
      *out = v | (u64)b << shift;
      return shift < 63 || b <= 1;
    }
    v |= (u64)(b & 0x7f) << (shift & 63);
  }
  return false;
}

static bool bad(reader *r) {
  r->bad = true;
  r->at = r->end;
  return false;
}

static __attribute__((noinline)) bool slowNext(reader *r) {
  u64 tag, n;
  if (!uvarint(r, &tag) || tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1) return bad(r);
  r->tag = (u32)tag;
  switch (tag & 7) {
  case VARINT:
    return uvarint(r, &r->number) || bad(r);
  case BYTES:
    if (!uvarint(r, &n) || n > (u64)(r->end - r->at)) return bad(r);
    r->bytes = (span){r->at, (u32)n};
    r->at += n;
    return true;
  case FIXED64:
    if (r->end - r->at < 8) return bad(r);
    r->number = load64(r->at);
    r->at += 8;
    return true;
  case FIXED32:
    if (r->end - r->at < 4) return bad(r);
    r->number = load32(r->at);
    r->at += 4;
    return true;
  default:
    return bad(r);
  }
}

// next moves to the next field; false at the end, and at the first fault.
static inline bool next(reader *r) {
  const u8 *at = r->at;
  if (r->end - at < 2) return at < r->end && slowNext(r);
  u32 tag = at[0], n = at[1];
  if (((tag | n) & 0x80) == 0 && tag >= 8) {
    if ((tag & 7) == BYTES && n <= (u32)(r->end - at - 2)) {
      r->tag = tag;
      r->bytes = (span){at + 2, n};
      r->at = at + 2 + n;
      return true;
    }
    if ((tag & 7) == VARINT) {
      r->tag = tag;
      r->number = n;
      r->at = at + 2;
      return true;
    }
  }
  return slowNext(r);
}

static inline u64 zigzag(i64 v) { return (u64)v << 1 ^ (u64)(v >> 63); }
static inline i64 unzigzag(u64 v) { return (i64)(v >> 1) ^ -(i64)(v & 1); }

// isUTF8 is Go's utf8.Valid. runes, if it is not null, becomes the number of
// characters.
static __attribute__((noinline)) bool isUTF8(span text, u32 *runes) {
  const u8 *at = text.at, *end = at + text.size;
  u32 n = 0;
  for (; at < end; n++) {
    u32 lead = *at++;
    if (lead < 0x80) continue;
    u32 more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    u32 low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    u32 high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0xc2 || lead > 0xf4 || (u32)(end - at) < more) return false;
    if (*at < low || *at > high) return false;
    for (at++; --more > 0; at++)
      if ((*at & 0xc0) != 0x80) return false;
  }
  if (runes) *runes = n;
  return true;
}

static inline bool isText(reader *r) { return isUTF8(r->bytes, NULL) || bad(r); }

// The writers append to memory that is known to be enough, and answer its end.

static inline u8 *putVarint(u8 *to, u64 v) {
  for (; v >= 0x80; v >>= 7) *to++ = (u8)v | 0x80;
  *to++ = (u8)v;
  return to;
}

static inline u8 *putRaw(u8 *to, span bytes) {
  __builtin_memcpy(to, bytes.at, bytes.size);
  return to + bytes.size;
}

static inline u8 *putBytes(u8 *to, u32 field, span bytes) {
  *to++ = (u8)FIELD(field, BYTES);
  return putRaw(putVarint(to, bytes.size), bytes);
}

static inline u8 *putNumber(u8 *to, u32 field, u64 v) {
  if (v == 0) return to;
  *to++ = (u8)FIELD(field, VARINT);
  return putVarint(to, v);
}

static inline u32 sizeOfVarint(u64 v) {
  u32 n = 1;
  for (; v >= 0x80; v >>= 7) n++;
  return n;
}

// endMessage writes the length of what stands behind the byte at mark, which
// was kept for it, and moves that up if a byte is not enough.
static inline u8 *endMessage(u8 *mark, u8 *end) {
  u32 n = (u32)(end - mark - 1);
  if (n < 0x80) {
    *mark = (u8)n;
    return end;
  }
  u32 more = sizeOfVarint(n) - 1;
  __builtin_memmove(mark + 1 + more, mark + 1, n);
  putVarint(mark, n);
  return end + more;
}
