// frame.h cuts the payload of a weather station into its fields, six digits
// and a line end, as the connector textframe does with the config of its
// README. Where a payload does not fit it gives textframe's reason.
#pragma once
#include "wire.h"

enum { FIELDS = 3, WIDTH = 2, QUOTED = 64 };

static const span fieldNames[FIELDS] = {TEXT("temperature"), TEXT("humidity"), TEXT("battery")};

// values are those of one payload.
typedef struct {
  i64 of[FIELDS];
} values;

// fault is why a payload does not fit.
typedef struct {
  enum { FITS, NOT_UTF8, TOO_SHORT, NOT_AN_INT } why;
  u32 field;
  span part; // what is quoted
} fault;

static span strip(span payload) {
  u32 n = payload.size;
  if (n > 0 && payload.at[n - 1] == '\n') n -= n > 1 && payload.at[n - 2] == '\r' ? 2 : 1;
  return (span){payload.at, n};
}

// parseInt reads the characters of a field, which are WIDTH at most: digits
// with a sign, among spaces.
static bool parseInt(span part, i64 *out) {
  while (part.size > 0 && part.at[0] == ' ') part.at++, part.size--;
  while (part.size > 0 && part.at[part.size - 1] == ' ') part.size--;
  bool negative = part.size > 0 && part.at[0] == '-';
  if (negative || (part.size > 0 && part.at[0] == '+')) part.at++, part.size--;
  i64 n = 0;
  for (u32 i = 0; i < part.size; i++) {
    u32 digit = part.at[i] - '0';
    if (digit > 9) return false;
    n = n * 10 + digit;
  }
  *out = negative ? -n : n;
  return part.size > 0;
}

// skipRunes answers where the first n characters of a UTF-8 text end.
static bool skipRunes(span text, u32 n, u32 *at) {
  u32 i = 0;
  for (; n > 0; n--) {
    if (i == text.size) return false;
    for (i++; i < text.size && (text.at[i] & 0xc0) == 0x80; i++) {
    }
  }
  *at = i;
  return true;
}

// slowCut is cut for payloads of all forms.
static __attribute__((noinline)) fault slowCut(span payload, values *out) {
  span text = strip(payload);
  if (!isUTF8(text, NULL)) return (fault){NOT_UTF8, 0, text};
  for (u32 f = 0; f < FIELDS; f++) {
    u32 from, to;
    if (!skipRunes(text, f * WIDTH, &from) || !skipRunes(text, (f + 1) * WIDTH, &to)) return (fault){TOO_SHORT, f, text};
    span part = {text.at + from, to - from};
    if (!parseInt(part, &out->of[f])) return (fault){NOT_AN_INT, f, part};
  }
  return (fault){.why = FITS};
}

// cut reads the values. The fast way is six digits with a line feed.
static inline fault cut(span payload, values *out) {
  if (payload.size == FIELDS * WIDTH + 1 && payload.at[FIELDS * WIDTH] == '\n') {
    u32 wrong = 0;
    for (u32 f = 0; f < FIELDS; f++) {
      u32 a = payload.at[f * WIDTH] - '0', b = payload.at[f * WIDTH + 1] - '0';
      wrong |= (a > 9) | (b > 9);
      out->of[f] = a * 10 + b;
    }
    if (!wrong) return (fault){.why = FITS};
  }
  return slowCut(payload, out);
}

static u8 *putText(u8 *to, const char *text) {
  while (*text) *to++ = (u8)*text++;
  return to;
}

static u8 *putDecimal(u8 *to, u32 n) {
  u8 digits[10];
  u32 i = 0;
  do digits[i++] = (u8)('0' + n % 10);
  while (n /= 10);
  while (i > 0) *to++ = digits[--i];
  return to;
}

// putQuoted writes a text as Go's strconv.Quote does, but for characters
// beyond ASCII that cannot be printed: it takes all of those as they are.
static u8 *putQuoted(u8 *to, span text) {
  static const char hex[] = "0123456789abcdef", escapes[] = "abtnvfr"; // 7 to 13
  bool cut = text.size > QUOTED;
  if (cut) text.size = QUOTED;
  *to++ = '"';
  for (u32 i = 0; i < text.size; i++) {
    u8 c = text.at[i];
    u32 size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c >= 0x80 && i + size <= text.size && isUTF8((span){text.at + i, size}, NULL)) {
      to = putRaw(to, (span){text.at + i, size});
      i += size - 1;
    } else if (c >= 7 && c <= 13) {
      *to++ = '\\', *to++ = (u8)escapes[c - 7];
    } else if (c < ' ' || c >= 0x7f) {
      *to++ = '\\', *to++ = 'x', *to++ = (u8)hex[c >> 4], *to++ = (u8)hex[c & 15];
    } else {
      if (c == '"' || c == '\\') *to++ = '\\';
      *to++ = c;
    }
  }
  *to++ = '"';
  return cut ? putText(to, "...") : to;
}

// MAX_REASON is what putReason writes at most.
enum { MAX_REASON = 4 * QUOTED + 128 };

static u8 *putReason(u8 *to, fault f) {
  if (f.why == NOT_UTF8) return putText(putQuoted(putText(to, "the payload "), f.part), " is not UTF-8");
  to = putRaw(putText(to, "field \""), fieldNames[f.field]);
  to = putText(to, "\": ");
  if (f.why == NOT_AN_INT) return putText(putQuoted(to, f.part), " is not an int");
  to = putDecimal(putText(to, "wants characters from "), f.field * WIDTH);
  to = putDecimal(putText(to, " to "), (f.field + 1) * WIDTH);
  u32 runes = 0;
  isUTF8(f.part, &runes);
  return putDecimal(putText(putQuoted(putText(to, ", but "), f.part), " has "), runes);
}
