// cextism is an Extism plugin in C whose imports are written by hand, without
// a PDK. Its functions: tally counts words, convert turns the frame of a
// weather station into JSON, remember counts its calls in a variable, fail
// fails. It is a provider too, whose operations are echo and fail.
#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define KERNEL(name) __attribute__((import_module("extism:host/env"), import_name(name)))

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

KERNEL("input_length") u64 input_length(void);
KERNEL("input_load_u8") u32 input_load_u8(u64 at);
KERNEL("input_load_u64") u64 input_load_u64(u64 at);
KERNEL("alloc") u64 kernel_alloc(u64 size);
KERNEL("store_u8") void store_u8(u64 at, u32 value);
KERNEL("store_u64") void store_u64(u64 at, u64 value);
KERNEL("load_u64") u64 load_u64(u64 at);
KERNEL("output_set") void output_set(u64 at, u64 size);
KERNEL("error_set") void error_set(u64 at);
KERNEL("var_get") u64 var_get(u64 key);
KERNEL("var_set") void var_set(u64 key, u64 value);

enum { MAX_TEXT = 32 << 10, MAX_WORDS = 1 << 10 };

static u8 text[MAX_TEXT], out[2 * MAX_TEXT];

// readInput copies the input, eight bytes at a time.
static u32 readInput(void) {
  u64 n = input_length(), i = 0;
  if (n > MAX_TEXT) n = MAX_TEXT;
  for (; i + 8 <= n; i += 8) {
    u64 word = input_load_u64(i);
    __builtin_memcpy(text + i, &word, 8);
  }
  for (; i < n; i++) text[i] = (u8)input_load_u8(i);
  return (u32)n;
}

// block is a block of the kernel's memory with these bytes.
static u64 block(const u8 *at, u32 n) {
  u64 to = kernel_alloc(n), i = 0;
  for (; i + 8 <= n; i += 8) {
    u64 word;
    __builtin_memcpy(&word, at + i, 8);
    store_u64(to + i, word);
  }
  for (; i < n; i++) store_u8(to + i, at[i]);
  return to;
}

static int32_t output(const u8 *end) {
  u32 n = (u32)(end - out);
  output_set(block(out, n), n);
  return 0;
}

static int32_t failure(const char *why) {
  u32 n = 0;
  while (why[n]) n++;
  error_set(block((const u8 *)why, n));
  return 1;
}

static u8 *put(u8 *to, const char *s) {
  while (*s) *to++ = (u8)*s++;
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

typedef struct {
  const u8 *at;
  u32 size, count;
} word;

static word words[MAX_WORDS];

static int compare(const word *a, const word *b) {
  for (u32 i = 0; i < a->size && i < b->size; i++)
    if (a->at[i] != b->at[i]) return a->at[i] < b->at[i] ? -1 : 1;
  return a->size == b->size ? 0 : a->size < b->size ? -1 : 1;
}

// count puts a word into its place among n sorted ones.
static u32 count(u32 n, word w) {
  u32 i = n;
  for (; i > 0; i--) {
    int order = compare(&words[i - 1], &w);
    if (order == 0) return words[i - 1].count++, n;
    if (order < 0) break;
  }
  if (n == MAX_WORDS) return n;
  for (u32 j = n; j > i; j--) words[j] = words[j - 1];
  words[i] = w;
  return n + 1;
}

EXPORT("tally") int32_t tally(void) {
  u32 size = readInput(), n = 0, total = 0;
  for (u32 i = 0; i < size;) {
    u32 from = i;
    while (i < size && text[i] > ' ') i++;
    if (i > from) n = count(n, (word){text + from, i - from, 1}), total++;
    i++;
  }
  u8 *to = out;
  for (u32 i = 0; i < n && to - out < MAX_TEXT; i++) {
    u32 share = (u32)((u64)words[i].count * 10000 / total);
    for (u32 j = 0; j < words[i].size; j++) *to++ = words[i].at[j];
    *to++ = ' ';
    to = putDecimal(to, words[i].count);
    *to++ = ' ';
    to = putDecimal(to, share / 100);
    *to++ = '.';
    *to++ = (u8)('0' + share / 10 % 10);
    *to++ = (u8)('0' + share % 10);
    to = put(to, "%\n");
  }
  return output(put(putDecimal(put(to, "total "), total), "\n"));
}

EXPORT("convert") int32_t convert(void) {
  if (readInput() < 6) return failure("a frame has six digits");
  u8 *to = out;
  static const char *const names[] = {"{\"temperature\":", ",\"humidity\":", ",\"battery\":"};
  for (u32 i = 0; i < 3; i++)
    to = putDecimal(put(to, names[i]), (u32)(text[2 * i] - '0') * 10 + (u32)(text[2 * i + 1] - '0'));
  return output(put(to, "}"));
}

EXPORT("remember") int32_t remember(void) {
  static const u8 key[] = "calls";
  u64 old = var_get(block(key, sizeof key - 1));
  u64 calls = (old ? load_u64(old) : 0) + 1;
  var_set(block(key, sizeof key - 1), block((const u8 *)&calls, sizeof calls));
  return output(putDecimal(put(out, "call "), (u32)calls));
}

// As a provider: open asks for nothing, op_echo answers its arguments, and
// normalize_import what it is given.
EXPORT("open") int32_t open(void) { return 0; }

static int32_t echo(void) {
  u32 n = readInput();
  output_set(block(text, n), n);
  return 0;
}

EXPORT("op_echo") int32_t opEcho(void) { return echo(); }

EXPORT("normalize_import") int32_t normalizeImport(void) { return echo(); }

EXPORT("op_fail") int32_t opFail(void) { return failure("told to fail"); }

EXPORT("fail") int32_t fail(void) { return failure("told to fail"); }
