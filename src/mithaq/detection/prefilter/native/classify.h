/* Sixty-four bytes to bit masks. Plain C that compilers vectorise, and AVX2 where the machine has it. */
#ifndef MITHAQ_CLASSIFY_H
#define MITHAQ_CLASSIFY_H

#include "table.h"

typedef struct {
    u64 token; /* letters, digits, `-` `.` `_`, and every byte of a character that is not ASCII */
    u64 dot;
    u64 high; /* not ASCII */
    u64 colon;
    u64 key; /* the quote of `":`, which ends a key of JSON */
    u64 slash; /* a backslash before `u`, `f` or `x` */
} Masks;

enum { CHUNK = 64 };

static inline u64 pack(const u8 flag[CHUNK]) { /* one 0 or 1 a byte to one bit */
    u64 bits = 0;
    for (int i = 0; i < 8; i++) {
        u64 eight;
        memcpy(&eight, flag + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        bits |= (eight * 0x0102040810204080u >> 56) << (8 * i);
    }
    return bits;
}

static inline int begins_escape(u8 c) { return c == 'u' || c == 'f' || c == 'x'; }

/* `p` has CHUNK bytes; `next` is the byte after them, 0 at the end. */
static inline void classify_plain(const u8 *p, u8 next, Masks *m) {
    u8 token[CHUNK], dot[CHUNK], high[CHUNK], colon[CHUNK], quote[CHUNK], slash[CHUNK];
    for (int i = 0; i < CHUNK; i++) {
        u8 c = p[i];
        high[i] = c >> 7;
        dot[i] = c == '.';
        colon[i] = c == ':';
        quote[i] = c == '"';
        slash[i] = c == '\\';
        token[i] = (u8)((u8)((c | 0x20) - 'a') < 26) | (u8)((u8)(c - '0') < 10) | (u8)(c == '-') | (u8)(c == '_') | dot[i] |
                   high[i];
    }
    m->token = pack(token);
    m->dot = pack(dot);
    m->high = pack(high);
    m->colon = pack(colon);
    m->key = pack(quote) & (m->colon >> 1 | (u64)(next == ':') << 63);
    m->slash = pack(slash);
    if (m->slash) {
        for (int i = 0; i < CHUNK; i++) slash[i] = (u8)begins_escape(p[i]);
        m->slash &= pack(slash) >> 1 | (u64)begins_escape(next) << 63;
    }
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(MITHAQ_PLAIN)
#include <immintrin.h>
#define HAVE_AVX2 1
#define AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

AVX2 static inline u64 both(__m256i low, __m256i high) {
    return (u32)_mm256_movemask_epi8(low) | (u64)(u32)_mm256_movemask_epi8(high) << 32;
}

AVX2 static inline __m256i within(__m256i v, char first, char count) { /* first <= byte < first + count, unsigned */
    __m256i off = _mm256_sub_epi8(v, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(off, _mm256_set1_epi8((char)(count - 1))), off);
}

AVX2 static inline __m256i token_bytes(__m256i v) { /* the top bit tells, so bytes above 0x7F are in */
    __m256i letters = within(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), 'a', 26);
    __m256i digits = within(v, '0', 10), marks = within(v, '-', 2);
    __m256i low = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('_'));
    return _mm256_or_si256(_mm256_or_si256(letters, digits), _mm256_or_si256(_mm256_or_si256(marks, low), v));
}

AVX2 static inline u64 equal(__m256i a, __m256i b, char c) {
    __m256i wanted = _mm256_set1_epi8(c);
    return both(_mm256_cmpeq_epi8(a, wanted), _mm256_cmpeq_epi8(b, wanted));
}

AVX2 static inline void classify_avx2(const u8 *p, u8 next, Masks *m) {
    __m256i a = _mm256_loadu_si256((const __m256i *)p), b = _mm256_loadu_si256((const __m256i *)(p + 32));
    m->token = both(token_bytes(a), token_bytes(b));
    m->dot = equal(a, b, '.');
    m->high = both(a, b);
    m->colon = equal(a, b, ':');
    m->key = equal(a, b, '"') & (m->colon >> 1 | (u64)(next == ':') << 63);
    m->slash = equal(a, b, '\\');
    if (m->slash) {
        u64 escapes = equal(a, b, 'u') | equal(a, b, 'f') | equal(a, b, 'x');
        m->slash &= escapes >> 1 | (u64)begins_escape(next) << 63;
    }
}
#endif

#endif
