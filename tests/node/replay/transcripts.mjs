// Transcripts as data, and what it means for a line to match (tests/vectors/stream/README.md). Runs in browsers too.

/** The transcripts of these files (name and text) that a client can be checked with: `{ file, header, lines }` each. */
export function clients(files) {
  const transcripts = files.toSorted().flatMap(([file, text]) => parse(file, text));
  return transcripts.filter(({ header }) => header.role !== 'server');
}

/** How many there are, as the closing table of the tests wants it. */
export function counts(transcripts) {
  const evidence = transcripts.filter(({ header }) => header.evidence).length;
  return [`replayed stream ${transcripts.length - evidence}`, `replayed evidence ${evidence}`];
}

function parse(file, text) {
  const transcripts = [];
  for (const [index, source] of text.split('\n').entries()) {
    if (source.trim() === '') continue;
    const value = JSON.parse(source);
    if ('name' in value) transcripts.push({ file, header: value, lines: [] });
    else transcripts.at(-1).lines.push(line(`${file}:${index + 1}`, source, value));
  }
  return transcripts;
}

const KINDS = ['>', '<', '!', '='];

function line(place, source, raw) {
  const kind = KINDS.find((kind) => kind in raw);
  const value = raw[kind];
  return {
    place,
    kind,
    value,
    t: raw.t,
    within: raw.within,
    on: raw.on ?? 'a',
    isExact: raw.exact === true || typeof value === 'string',
    // The bytes of a frame are the value as it stands in the file.
    frame: typeof value === 'string' ? value : textOf(source, kind),
  };
}

/** The text of a member's value, byte for byte. */
function textOf(source, kind) {
  const start = source.indexOf(':', source.indexOf(`"${kind}"`)) + 1;
  let depth = 0;
  let isString = false;
  for (let at = start; at < source.length; at++) {
    const character = source[at];
    if (isString) {
      if (character === '\\') at++;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (depth === 0 && !isString && (character === '}' || character === ']')) return source.slice(start, at + 1).trim();
  }
  return source.slice(start);
}

/** The word of a `!` or `=` line, which is its value or the value's one member, and what the member holds. */
export function word({ value }) {
  if (typeof value === 'string') return [value, undefined];
  return Object.entries(value)[0];
}

/** How what was said differs from what the line expects; `undefined` when it does not. */
export function difference(line, said) {
  if ('frame' in said) {
    if (line.isExact) return said.frame === line.frame ? undefined : `expected exactly ${line.frame}, was ${said.frame}`;
    return compare(line.value, JSON.parse(said.frame), '');
  }
  const bounds = line.value.waiting;
  const { waiting } = said.word;
  if (Array.isArray(bounds) && typeof waiting === 'number') {
    const isWithin = bounds[0] <= waiting && waiting <= bounds[1];
    return isWithin ? undefined : `expected ${JSON.stringify(bounds)}, was ${waiting}`;
  }
  return compare(line.value, said.word, '');
}

/** `"…"` matches anything; an object may have more members than were expected. */
function compare(expected, actual, path) {
  if (expected === '…' || expected === actual) return undefined;
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.map((value, index) => compare(value, actual[index], `${path}[${index}]`)).find(Boolean);
  }
  if (isObject(expected) && isObject(actual)) {
    for (const [name, value] of Object.entries(expected)) {
      if (!(name in actual)) return `${path}.${name}: expected ${JSON.stringify(value)}, was absent`;
      const found = compare(value, actual[name], `${path}.${name}`);
      if (found) return found;
    }
    return undefined;
  }
  return `${path}: expected ${JSON.stringify(expected)}, was ${JSON.stringify(actual)}`;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
