// ctally counts words, in C with the library of WASI: its allocator, its sort
// and its printf. README.md says what a tally is.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))

static char *input, *output;
static size_t room;

EXPORT("snaprail_alloc") char *allocate(int32_t n) {
  free(input);
  return input = n < 0 ? NULL : malloc((size_t)n + 1);
}

typedef struct {
  char *word;
  unsigned count;
} entry;

static int byWord(const void *a, const void *b) { return strcmp(((const entry *)a)->word, ((const entry *)b)->word); }

// count adds a word to the entries, which stay sorted by being searched only.
static size_t count(entry **all, size_t n, const char *word) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp((*all)[i].word, word) != 0) continue;
    (*all)[i].count++;
    return n;
  }
  *all = realloc(*all, (n + 1) * sizeof **all);
  (*all)[n] = (entry){strdup(word), 1};
  return n + 1;
}

static uint64_t answer(size_t n) { return (uint64_t)(uintptr_t)output << 32 | n; }

EXPORT("tally") uint64_t tally(char *at, uint32_t size) {
  entry *all = NULL;
  size_t n = 0, used = 0;
  unsigned total = 0;
  if (size > 0) {
    at[size] = 0; // there is room for it
    for (char *word = strtok(at, " \t\r\n"); word; word = strtok(NULL, " \t\r\n")) {
      n = count(&all, n, word);
      total++;
    }
  }
  if (n > 0) qsort(all, n, sizeof *all, byWord);
  if (room < 2 * (size_t)size + 32 * (n + 1)) output = realloc(output, room = 2 * (size_t)size + 32 * (n + 1));
  for (size_t i = 0; i < n; i++) {
    unsigned share = (unsigned)((uint64_t)all[i].count * 10000 / total);
    used += (size_t)sprintf(output + used, "%s %u %u.%02u%%\n", all[i].word, all[i].count, share / 100, share % 100);
    free(all[i].word);
  }
  free(all);
  used += (size_t)sprintf(output + used, "total %u\n", total);
  return answer(used);
}
