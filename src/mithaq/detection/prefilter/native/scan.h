/* From text to keys to lines.
 *
 * The fast pass cuts a block into tokens and asks the table for each that has a dot, the length of a hash, or is not
 * ASCII. Questions wait in a ring, so that the memory they need is there when they are asked. A line that names the
 * host of a URL, or has escapes that may hide a token, is examined once more by itself: see `examine`.
 */
#ifndef MITHAQ_SCAN_H
#define MITHAQ_SCAN_H

#include "classify.h"
#include "fold.h"

enum { RING = 32, ROOMS = 4, MOST_HOSTS = 32, MOST_LOCAL = 260, MOST_HEX = 128 };

typedef struct {
    u64 key;
    size_t start, end; /* of the token in the text */
    int whole;         /* the whole token, not a parent of it */
} Question;

typedef struct {
    u8 *room[ROOMS];
    size_t size;
} Scratch;

typedef struct {
    const Set *set;
    const u8 *text;
    size_t n;
    Question ring[RING];
    u64 asked;        /* questions put into the ring so far */
    size_t colons;    /* where the last run of hexadecimal digits and colons ended */
    /* of a block */
    int64_t *lines;   /* pairs of start and end; NULL: the text is one line being examined */
    long found, room; /* pairs */
    size_t emitted, examined; /* the end of the last line that was given, that was looked at */
    Scratch *scratch;
    /* of one line */
    int hit;
    int keep_escapes; /* the text is a line of JSON as it stands: a backslash may be an escape */
    unsigned hosts;
    u64 host[MOST_HOSTS];
} Scan;

static int examine(const Set *set, Scratch *scratch, const u8 *line, size_t n);

static inline size_t line_start(const Scan *s, size_t at) {
    while (at > 0 && s->text[at - 1] != '\n') at--;
    return at;
}

static inline size_t line_end(const Scan *s, size_t at) {
    const u8 *feed = memchr(s->text + at, '\n', s->n - at);
    return feed ? (size_t)(feed - s->text) : s->n;
}

static void emit(Scan *s, size_t start, size_t end) {
    s->emitted = s->examined = end + 1;
    if (s->found < s->room) {
        s->lines[2 * s->found] = (int64_t)start;
        s->lines[2 * s->found + 1] = (int64_t)end;
    }
    s->found++;
}

/* Look once at the line around `at` by itself. */
static void examine_around(Scan *s, size_t at) {
    if (at < s->examined) return;
    size_t start = line_start(s, at), end = line_end(s, at);
    s->examined = end + 1;
    if (examine(s->set, s->scratch, s->text + start, end - start)) emit(s, start, end);
}

/* A composed URL may have its first `?`, `#` or `\` in the host's field: no path beside it tells then. */
static int host_goes_on(const Scan *s, size_t at) {
    while (at < s->n && (s->text[at] == ']' || s->text[at] == ':' || is_digit(s->text[at]) || s->text[at] == '.')) at++;
    if (at >= s->n) return 0;
    if (s->text[at] != '\\') return s->text[at] == '?' || s->text[at] == '#';
    return !(s->keep_escapes && at + 1 < s->n && strchr("\"/nrtbfu\\", s->text[at + 1]));
}

/* The key of what stands before the `@` of an address, read backwards from `end`, for each place where it may begin. */
static int local_part_hits(const Scan *s, size_t end, u64 domain) {
    u64 hash = 0xE3;
    int not_ascii = 0;
    size_t least = end > MOST_LOCAL ? end - MOST_LOCAL : 0;
    for (size_t at = end; at-- > least;) {
        u8 c = s->text[at];
        if (c == '\\' && s->text[at + 1] == '/') continue; /* JSON may escape the `/` */
        if (c <= ' ' || c == 0x7F || strchr("<>\"(),;:\\[]@", c)) return 0;
        if (c >= 'A' && c <= 'Z') c |= 0x20;
        if (c >= 0x80) { /* one key for all that is not ASCII, but for what becomes ASCII */
            static const u8 kelvin[3] = {0xE2, 0x84, 0xAA}, varia[3] = {0xE1, 0xBF, 0xAF}, erotimatiko[2] = {0xCD, 0xBE};
            const u8 *p = s->text + at;
            if (at >= 2 && !memcmp(p - 2, kelvin, 3))
                c = 'k', at -= 2;
            else if (at >= 2 && !memcmp(p - 2, varia, 3))
                c = '`', at -= 2;
            else if (at >= 1 && !memcmp(p - 1, erotimatiko, 2))
                c = ';', at -= 1;
            else if (!not_ascii) {
                not_ascii = 1;
                if (flags_of(s->set, pair_key(domain, 0xEE)) & HIT) return 1;
            }
        }
        hash = mix(hash, c);
        if (flags_of(s->set, pair_key(domain, hash)) & HIT) return 1;
    }
    return 0;
}

static void answer(Scan *s, const Question *q) {
    unsigned flags;
    if (q->start < s->emitted || s->hit || !(flags = flags_of(s->set, q->key))) return;
    if (!(flags & HIT)) {
        if (!q->whole) return;
        if (flags & EMAIL_HOST && q->start > 0 && s->text[q->start - 1] == '@' &&
            local_part_hits(s, q->start - 1, q->key))
            flags = HIT;
    }
    if (s->lines) {
        if (flags & HIT)
            emit(s, line_start(s, q->start), line_end(s, q->start));
        else if (flags & URL_HOST)
            examine_around(s, q->start);
        return;
    }
    if (flags & HIT) s->hit = 1;
    if (flags & URL_HOST) {
        for (unsigned i = 0; i < s->hosts; i++)
            if (s->host[i] == q->key) goto known;
        if (s->hosts == MOST_HOSTS)
            s->hit = 1;
        else
            s->host[s->hosts++] = q->key;
    known:
        if (host_goes_on(s, q->end)) s->hit = 1;
    }
}

static inline void ask(Scan *s, u64 key, size_t start, size_t end, int whole) {
    Question *q = &s->ring[s->asked % RING];
    if (s->asked >= RING) answer(s, q);
    *q = (Question){key, start, end, whole};
    s->asked++;
    look_ahead(s->set, key);
}

static void answer_all(Scan *s) {
    for (u64 i = s->asked > RING ? s->asked - RING : 0; i < s->asked; i++) answer(s, &s->ring[i % RING]);
    s->asked = 0;
}

static inline int has_bit(_Atomic u64 *map, u32 bit) {
    return atomic_load_explicit(&map[bit / 64], memory_order_relaxed) >> bit % 64 & 1;
}

static inline void address4(Scan *s, u32 address, size_t start, size_t end) {
    ask(s, address4_key(s->set, address), start, end, 1);
    _Atomic u64 *nets = atomic_load_explicit(&((Set *)s->set)->nets4, memory_order_acquire);
    if (nets && has_bit(((Set *)s->set)->wide4, address >> 16) && has_bit(nets, address >> 8))
        for (u64 lens = atomic_load(&((Set *)s->set)->lens4); lens; lens &= lens - 1)
            ask(s, network4_key(s->set, address, (unsigned)__builtin_ctzll(lens)), start, end, 0);
}

static inline void address6(Scan *s, u64 high, u64 low, size_t start, size_t end) {
    if (is_mapped(high, low)) {
        address4(s, (u32)low, start, end);
        return;
    }
    ask(s, network6_key(s->set, high, low, 128), start, end, 1);
    for (unsigned half = 0; half < 2; half++)
        for (u64 lens = atomic_load(&((Set *)s->set)->lens6[half]); lens; lens &= lens - 1)
            ask(s, network6_key(s->set, high, low, half * 64 + (unsigned)__builtin_ctzll(lens)), start, end, 0);
}

/* Ask for a name of ASCII (or folded, in scratch at `p`) and its parents. `dots`: bit i is a dot at p[i], if n <= 64. */
static inline void name(Scan *s, const u8 *p, size_t n, u64 dots, size_t start, size_t end) {
    u64 key = root_key(s->set);
    size_t stop = n;
    if (n <= 64) {
        while (dots) {
            size_t dot = 63 - (size_t)__builtin_clzll(dots);
            dots ^= (u64)1 << dot;
            key = hash_bytes(p + dot + 1, stop - dot - 1, key);
            if (stop != n) ask(s, key, start, end, 0);
            stop = dot;
        }
    } else {
        for (size_t i = n; i-- > 0;)
            if (p[i] == '.') {
                key = hash_bytes(p + i + 1, stop - i - 1, key);
                if (stop != n) ask(s, key, start, end, 0);
                stop = i;
            }
    }
    ask(s, hash_bytes(p, stop, key), start, end, 1);
}

static inline void word(Scan *s, const u8 *p, size_t n, size_t start, size_t end) {
    if (n <= 128 && atomic_load_explicit(&((Set *)s->set)->words[n], memory_order_relaxed))
        ask(s, word_key(s->set, p, n), start, end, 1);
    if (n <= 64 && atomic_load_explicit(&((Set *)s->set)->bare[n], memory_order_relaxed))
        ask(s, name_key(s->set, p, n), start, end, 1);
}

static inline u64 dots_of(const u8 *p, size_t n) { /* as far as 64 bits reach */
    u64 dots = 0;
    for (size_t i = 0; i < n && i < 64; i++) dots |= (u64)(p[i] == '.') << i;
    return dots;
}

/* Ask for whatever an ASCII token may be; `dots` as in `name`. */
static inline void ascii_token(Scan *s, const u8 *p, size_t n, u64 dots, size_t start, size_t end) {
    if (p[n - 1] == '.') {
        while (n && p[n - 1] == '.') n--;
        dots = dots_of(p, n);
    }
    if (!n) return;
    if (n <= 64 ? !dots : !memchr(p, '.', n)) {
        word(s, p, n, start, end);
        return;
    }
    if (is_digit(p[n - 1])) {
        u32 address;
        if (n <= 15 && __builtin_popcountll(dots) == 3 && read_octets(p, n, dots, &address)) {
            address4(s, address, start, end);
            return;
        }
        size_t label = n <= 64 ? n - 1 - (63 - (size_t)__builtin_clzll(dots)) : 1;
        while (n > 64 && p[n - 1 - label] != '.') label++;
        if (ends_in_digits(p, n, label)) return; /* a numeric last label: a number, a version, no name */
    }
    if (n < MAX_NAME) name(s, p, n, dots, start, end);
}

static void folded(Scan *s, Name *text, size_t start, size_t end) {
    end_label(text);
    if (!text->overflow && text->n) {
        Name again;
        if (!text->marked) {
            ascii_token(s, text->text, text->n, dots_of(text->text, text->n), start, end);
        } else {
            while (text->n && text->text[text->n - 1] == '.') text->n--;
            if (fold_a_labels(s->set, text->text, text->n, &again)) text = &again;
            int is_bare = !memchr(text->text, '.', text->n);
            if (!text->overflow && (!is_bare || s->set->bare[0])) name(s, text->text, text->n, dots_of(text->text, text->n), start, end);
        }
    }
}

/* A token with bytes that are not ASCII, cut at white space. */
static void wide_token(Scan *s, size_t start, size_t end) {
    Name text; /* only its first n bytes are ever read */
    text.n = text.label = 0;
    text.not_ascii = text.marked = text.overflow = 0;
    for (size_t at = start; at < end;) {
        u32 c, cell;
        at += read_char(s->text + at, s->text + end, &c);
        cell = c < 0x80 ? 0 : cell_of(s->set, c);
        if (cell != WHITE) {
            fold_char(s->set, &text, c, cell);
            continue;
        }
        folded(s, &text, start, end);
        text.n = text.label = 0;
        text.not_ascii = text.marked = text.overflow = 0;
    }
    folded(s, &text, start, end);
}

/* A run of hexadecimal digits, colons and dots around the colon at `at`: an IPv6 address, or a hash written with colons. */
static void colon_run(Scan *s, size_t at) {
    if (at < s->colons) return;
    size_t start = at, end = at;
    u8 digits[MOST_HEX];
    size_t n = 0;
    u64 high, low;
    while (start > s->colons && (hex_of(s->text[start - 1]) >= 0 || s->text[start - 1] == '.' || s->text[start - 1] == ':'))
        start--;
    for (end = start; end < s->n; end++) {
        u8 c = s->text[end];
        if (c == ':' || c == '.') continue;
        if (hex_of(c) < 0) break;
        if (n < MOST_HEX) digits[n] = c;
        n++;
    }
    s->colons = end;
    if (end - start <= MAX_ADDRESS6 && read_address6(s->text + start, end - start, &high, &low))
        address6(s, high, low, start, end);
    if (n <= MOST_HEX && n >= 32) word(s, digits, n, start, end);
}

static inline void token(Scan *s, size_t start, size_t end, u64 dots, int wide) {
    if (start < s->emitted) return;
    for (;;) {
        if (wide)
            wide_token(s, start, end);
        else
            ascii_token(s, s->text + start, end - start, dots, start, end);
        /* `\n` of JSON and its like: the escape's letter does not belong to the token */
        u8 letter = start > 0 && s->text[start - 1] == '\\' && end - start > 1 ? s->text[start] : 0;
        if (letter != 'n' && letter != 'r' && letter != 't') return;
        start++;
        dots = dots_of(s->text + start, end - start);
    }
}

/* A backslash before `u`, `f` or `x` in a block: does the line need to be decoded? */
static void escape(Scan *s, size_t at) {
    if (at < s->examined || at < s->emitted || at + 1 >= s->n) return;
    if (s->text[at + 1] == 'x') {
        if (!is_hex_escape(s->text + at, s->text + s->n)) return;
    } else { /* after an odd number of backslashes this one is itself escaped */
        size_t before = at;
        while (before > 0 && s->text[before - 1] == '\\') before--;
        if ((at - before) & 1) return;
    }
    answer_all(s);
    examine_around(s, at);
}

#define SCAN scan_plain
#define CLASSIFY classify_plain
#define TARGET
#include "loop.h"
#undef SCAN
#undef CLASSIFY
#undef TARGET

#ifdef HAVE_AVX2
#define SCAN scan_avx2
#define CLASSIFY classify_avx2
#define TARGET AVX2
#include "loop.h"
#undef SCAN
#undef CLASSIFY
#undef TARGET
#endif

static void scan(Scan *s) {
#ifdef HAVE_AVX2
    static atomic_int fast = 0; /* 0 unknown, 1 no, 2 yes */
    int known = atomic_load_explicit(&fast, memory_order_relaxed);
    if (!known) {
        known = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? 2 : 1;
        atomic_store_explicit(&fast, known, memory_order_relaxed);
    }
    if (known == 2) {
        scan_avx2(s);
        return;
    }
#endif
    scan_plain(s);
}

#endif
