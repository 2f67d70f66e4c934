// What astally and asextism have in common. README.md says what a tally is.

/** count counts the words of a text. */
export function count(text: string): string {
  const counts = new Map<string, u32>();
  let total: u32 = 0;
  for (let i = 0, from = 0; i <= text.length; i++) {
    const c = i < text.length ? text.charCodeAt(i) : 32;
    if (c != 32 && (c < 9 || c > 13)) continue;
    if (i > from) {
      const word = text.substring(from, i);
      counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1);
      total++;
    }
    from = i + 1;
  }
  const words = counts.keys().sort();
  const lines = new Array<string>();
  for (let i = 0; i < words.length; i++) {
    const n = counts.get(words[i]);
    const share = <u32>(<u64>n * 10000 / total);
    const cents = (share % 100).toString().padStart(2, "0");
    lines.push(`${words[i]} ${n} ${share / 100}.${cents}%\n`);
  }
  return lines.join("") + `total ${total}\n`;
}

/** stop is what becomes of an abort: there is nobody to tell. */
export function stop(_message: string | null, _file: string | null, _line: u32, _column: u32): void {
  unreachable();
}
