/* Which lines of a block may hold an observable of a set? Plain C11 for any 64-bit machine; see README.md beside.
 *
 * Bounds: `set_scan` reads [block, block + n) and writes at most `room` pairs; `set_add` reads [p, p + n). Nothing here
 * keeps a pointer of the caller but the table of `fold.h`.
 */
#include "scan.h"

#if defined(__GNUC__) || defined(__clang__)
#define API __attribute__((visibility("default")))
#else
#define API
#endif

/* ---- the lines that need a second look ------------------------------------------------------------------------- */

enum { TAIL_START = 0x7A11, WORK_A_BYTE = 64 };

static inline u64 tail_step(u64 hash, u8 c) { return (hash ^ c) * 0x100000001B3u; }
static inline int ends_tail(u8 c) { return c <= ' ' || c == '"' || c == '<' || c == '>' || c == 0x7F; }
static inline int may_end_tail(u8 c) { return c >= 0x80 || strchr(".,:;!?&|'^()[]{}`\\", c) != NULL; }

static int any_host(const Scan *found, u64 tail) {
    for (unsigned i = 0; i < found->hosts; i++)
        if (flags_of(found->set, pair_key(found->host[i], tail)) & HIT) return 1;
    return 0;
}

/* In the W3C format a URL's path and its query are columns of their own: there the path has to do. */
static inline u64 stem_key(u64 host, u64 stem) { return pair_key(host ^ 0x57, stem); }

static int any_stem(const Scan *found, u64 stem) {
    for (unsigned i = 0; i < found->hosts; i++)
        if (flags_of(found->set, stem_key(found->host[i], stem)) & HIT) return 1;
    return 0;
}

/* Does the text hold the rest of a URL whose host it names? From every `/` the hash runs to the value's end, in the
 * form that a canonical URL has (what is not ASCII percent-encoded). Where the end is uncertain each possibility is
 * tried. The work is bounded; a text that exceeds it is a candidate. */
static int tails(const Scan *found, const u8 *p, size_t n, int is_json) {
    const u8 *end = p + n, *slash = p;
    size_t work = WORK_A_BYTE * n + 4096;
    while ((slash = memchr(slash, '/', (size_t)(end - slash)))) {
        u64 hash = TAIL_START;
        const u8 *at = slash;
        while (at < end && !ends_tail(*at)) {
            if (at > slash && may_end_tail(*at) && any_host(found, hash)) return 1;
            if (*at < 0x80) {
                hash = tail_step(hash, *at++);
            } else {
                u32 c;
                u8 bytes[4];
                at += read_char(at, end, &c);
                size_t count = write_char(bytes, c);
                for (size_t i = 0; i < count; i++) {
                    hash = tail_step(hash, '%');
                    hash = tail_step(hash, (u8)"0123456789ABCDEF"[bytes[i] >> 4]);
                    hash = tail_step(hash, (u8)"0123456789ABCDEF"[bytes[i] & 15]);
                }
            }
            if (!--work) return 1;
        }
        if (any_host(found, hash) || (!is_json && any_stem(found, hash))) return 1;
        slash++;
    }
    return 0;
}

static int look_into(const Set *set, Scan *found, const u8 *p, size_t n, int keep_escapes) {
    found->set = set;
    found->text = p;
    found->n = n;
    found->asked = 0;
    found->colons = 0;
    found->keep_escapes = keep_escapes;
    scan(found);
    return found->hit;
}

static int make_room(Scratch *scratch, size_t n) {
    if (scratch->size >= n) return 1;
    scratch->size = n;
    for (int i = 0; i < ROOMS; i++) {
        free(scratch->room[i]);
        if (!(scratch->room[i] = malloc(n))) scratch->size = 0;
    }
    return scratch->size > 0;
}

/* Is this line a candidate? Looks at it as it stands and with its escapes undone, in each way that may be meant. */
static int examine(const Set *set, Scratch *scratch, const u8 *line, size_t n) {
    const u8 *text[ROOMS + 1] = {line};
    size_t length[ROOMS + 1] = {n};
    int texts = 1, is_json = 0;
    Scan found;
    const u8 *slash = n ? memchr(line, '\\', n) : NULL;
    for (size_t i = 0; i < n && (line[i] <= ' ' || line[i] == '{'); i++) is_json |= line[i] == '{';
    found.lines = NULL;
    found.emitted = found.examined = 0;
    found.hit = 0;
    found.hosts = 0;
    if (look_into(set, &found, line, n, is_json)) return 1;
    if (slash) {
        int zeek = 0;
        if (!make_room(scratch, n)) return 1;
        for (const u8 *at = slash; at && !zeek; at = memchr(at + 1, '\\', (size_t)(line + n - at - 1)))
            zeek = is_hex_escape(at, line + n);
        text[texts] = scratch->room[0];
        length[texts++] = decode_json(line, n, scratch->room[0]);
        if (!is_json) {
            text[texts] = scratch->room[1];
            length[texts++] = decode_quoted(line, n, scratch->room[1]);
        }
        for (int as_bytes = 0; zeek && as_bytes < 2; as_bytes++) {
            text[texts] = scratch->room[texts - 1];
            length[texts] = decode_zeek(line, n, scratch->room[texts - 1], as_bytes);
            texts++;
        }
        for (int i = 1; i < texts; i++)
            if (look_into(set, &found, text[i], length[i], 0)) return 1;
    }
    if (!found.hosts) return 0;
    int root = any_host(&found, tail_step(TAIL_START, '/'));
    for (int i = 0; i < texts; i++)
        if ((root && length[i] && memchr(text[i], '/', length[i])) || tails(&found, text[i], length[i], is_json)) return 1;
    return 0;
}

/* ---- what is looked for ------------------------------------------------------------------------------------------ */

/* Set `count` bits, a power of two and `first` a multiple of it, by whole words: a scan may be reading them. */
static void set_bits(_Atomic u64 *map, u32 first, u32 count) {
    u64 bits = count < 64 ? (((u64)1 << count) - 1) << first % 64 : ~(u64)0;
    for (u32 word = first / 64; word <= (first + count - 1) / 64; word++)
        atomic_store_explicit(&map[word], atomic_load_explicit(&map[word], memory_order_relaxed) | bits, memory_order_relaxed);
}

static int put_network4(Set *set, u32 address, unsigned length) {
    enum { NETS4_WORDS = 1 << 18 };
    _Atomic u64 *nets = atomic_load(&set->nets4);
    if (!nets) {
        if (!(nets = calloc(NETS4_WORDS, sizeof *nets))) {
            set->full = 1;
            return 0;
        }
        set->bytes += NETS4_WORDS * sizeof *nets;
        atomic_store(&set->nets4, nets);
    }
    if (!put(set, network4_key(set, address, length), HIT)) return 0;
    atomic_fetch_or(&set->lens4, (u64)1 << length);
    set_bits(set->wide4, address >> 16, length < 16 ? (u32)1 << (16 - length) : 1);
    set_bits(nets, address >> 8, length < 24 ? (u32)1 << (24 - length) : 1);
    return 1;
}

static unsigned decimal(const u8 *p, size_t n) {
    unsigned value = 0;
    for (size_t i = 0; i < n && i < 3 && is_digit(p[i]); i++) value = value * 10 + (p[i] - '0');
    return value;
}

static int put_network(Set *set, const u8 *p, size_t n) {
    const u8 *slash = memchr(p, '/', n);
    u32 address;
    u64 high, low;
    if (!slash) return 0;
    unsigned length = decimal(slash + 1, (size_t)(p + n - slash - 1));
    if (read_address4(p, (size_t)(slash - p), &address)) return length >= 1 && length <= 31 && put_network4(set, address, length);
    if (!read_address6(p, (size_t)(slash - p), &high, &low) || !length || length > 127) return 0;
    if (!put(set, network6_key(set, high, low, length), HIT)) return 0;
    atomic_fetch_or(&set->lens6[length / 64], (u64)1 << length % 64);
    return 1;
}

/* The keys of a host: one, or two for a name with A-labels. Returns how many. */
static int host_keys(const Set *set, const u8 *p, size_t n, u64 key[2]) {
    u32 address;
    u64 high, low;
    Name unfolded;
    if (n && p[0] == '[' && p[n - 1] == ']') p++, n -= 2;
    if (read_address4(p, n, &address)) {
        key[0] = address4_key(set, address);
        return 1;
    }
    if (read_address6(p, n, &high, &low)) {
        key[0] = is_mapped(high, low) ? address4_key(set, (u32)low) : network6_key(set, high, low, 128);
        return 1;
    }
    key[0] = name_key(set, p, n);
    if (!fold_a_labels(set, p, n, &unfolded) || !unfolded.marked) return 1;
    key[1] = name_key(set, unfolded.text, unfolded.n);
    return 2;
}

static int put_url(Set *set, const u8 *p, size_t n) {
    const u8 *end = p + n, *host = p, *stop, *port;
    u64 key[2], tail = TAIL_START, stem = 0;
    while (host + 3 <= end && memcmp(host, "://", 3)) host++;
    if (host + 3 > end) return 0;
    host += 3;
    if (!(stop = memchr(host, '/', (size_t)(end - host)))) return 0;
    for (const u8 *at = stop; at < end; at++) {
        if (*at == '?' && !stem) stem = tail;
        tail = tail_step(tail, *at);
    }
    for (const u8 *at = host; at < stop; at++)
        if (*at == '@') host = at + 1;
    port = stop;
    while (port > host && is_digit(port[-1])) port--;
    if (port > host && port[-1] == ':') stop = port - 1;
    int keys = host_keys(set, host, (size_t)(stop - host), key);
    if (host < stop && *host != '[' && stop - host <= 64 && !memchr(host, '.', (size_t)(stop - host))) {
        atomic_store(&set->bare[stop - host], 1);
        atomic_store(&set->bare[0], 1);
    }
    for (int i = 0; i < keys; i++)
        if (!put(set, key[i], URL_HOST) || !put(set, pair_key(key[i], tail), HIT) ||
            (stem && !put(set, stem_key(key[i], stem), HIT)))
            return 0;
    return 1;
}

static int put_email(Set *set, const u8 *p, size_t n) {
    const u8 *at = NULL;
    u64 key[2], hash = 0xE3;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '@') at = p + i;
    if (!at) return 0;
    for (const u8 *c = at; c-- > p;) hash = mix(hash, *c);
    for (const u8 *c = p; c < at; c++)
        if (*c >= 0x80) hash = 0xEE;
    int keys = host_keys(set, at + 1, (size_t)(p + n - at - 1), key);
    for (int i = 0; i < keys; i++)
        if (!put(set, key[i], EMAIL_HOST) || !put(set, pair_key(key[i], hash), HIT)) return 0;
    return 1;
}

static int put_hosts(Set *set, const u8 *p, size_t n) {
    u64 key[2];
    int keys = host_keys(set, p, n, key);
    for (int i = 0; i < keys; i++)
        if (!put(set, key[i], HIT)) return 0;
    return 1;
}

/* `kind`: a address or domain, n network, u URL, e e-mail address, w a hash or another word of one token. */
static int put_observable(Set *set, u8 kind, const u8 *p, size_t n) {
    switch (kind) {
    case 'a':
        return put_hosts(set, p, n);
    case 'n':
        return put_network(set, p, n);
    case 'u':
        return put_url(set, p, n);
    case 'e':
        return put_email(set, p, n);
    case 'w':
        if (!n || n > 128 || !put(set, word_key(set, p, n), HIT)) return 0;
        atomic_store_explicit(&set->words[n], 1, memory_order_relaxed);
        return 1;
    default:
        return 0;
    }
}

/* ---- called from Python ------------------------------------------------------------------------------------------ */

static int fold_is_sound(const u32 *fold, size_t words) {
    if (words < PAGES) return 0;
    u64 pages = fold[PAGES - 1], cells = pages * 256;
    if (pages > 0x1100 || PAGES + cells > words) return 0;
    u64 pool = words - PAGES - cells;
    for (size_t i = 0; i < PAGES - 1; i++)
        if (fold[i] > pages) return 0;
    for (u64 i = 0; i < cells; i++) {
        u32 cell = fold[PAGES + i];
        if (cell & FOLDED && (cell >> 8 & 0x7FFFFF) + (cell >> 1 & MOST_FOLDED) > pool) return 0;
    }
    return 1;
}

API void set_free(Set *set) {
    if (!set) return;
    for (int i = 0; i < SHARDS; i++) free(atomic_load(&set->shard[i]));
    while (set->retired) {
        Shard *shard = set->retired;
        set->retired = shard->retired;
        free(shard);
    }
    free(atomic_load(&set->nets4));
    free(set);
}

/* Make an empty set; NULL if there is no memory or the table of characters is not sound. */
API Set *set_new(u64 seed, const u32 *fold, size_t fold_words) {
    Set *set = fold_is_sound(fold, fold_words) ? calloc(1, sizeof(Set)) : NULL;
    if (!set) return NULL;
    set->seed = seed;
    set->fold = fold;
    set->fold_words = fold_words;
    set->bytes = sizeof(Set);
    for (int i = 0; i < SHARDS; i++) {
        Shard *shard = new_shard(FIRST_PLACES);
        if (!shard) {
            set_free(set);
            return NULL;
        }
        atomic_store(&set->shard[i], shard);
        set->bytes += shard_bytes(FIRST_PLACES);
    }
    return set;
}

/* Add observables: each one byte of kind, then its canonical value, then a line feed. Returns how many were taken (one
 * that was not is malformed), or -1 if there was no memory. One thread at a time. */
API long set_add(Set *set, const u8 *p, size_t n) {
    const u8 *end = p + n;
    long taken = 0;
    free_retired(set);
    set->full = 0;
    while (p < end) {
        const u8 *feed = memchr(p, '\n', (size_t)(end - p));
        if (!feed) feed = end;
        if (feed > p) taken += put_observable(set, *p, p + 1, (size_t)(feed - p - 1));
        p = feed + 1 > end ? end : feed + 1;
    }
    return set->full ? -1 : taken;
}

/* Write the start and end of each line of the block that may hold an observable of the set, and return how many there
 * are; only the first `room` were written. Any number of threads at a time, also while one adds. */
API long set_scan(Set *set, const u8 *block, size_t n, int64_t *lines, long room) {
    Scratch scratch = {{NULL}, 0};
    Scan s;
    s.set = set;
    s.text = block;
    s.n = n;
    s.asked = 0;
    s.colons = s.emitted = s.examined = 0;
    s.lines = lines;
    s.found = 0;
    s.room = room;
    s.scratch = &scratch;
    s.hit = s.keep_escapes = 0;
    s.hosts = 0;
    atomic_fetch_add(&set->readers, 1);
    scan(&s);
    atomic_fetch_sub(&set->readers, 1);
    for (int i = 0; i < ROOMS; i++) free(scratch.room[i]);
    return s.found;
}

API u64 set_keys(const Set *set) { return set->keys; }
API size_t set_bytes(const Set *set) { return set->bytes; }
