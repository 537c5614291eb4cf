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

typedef u8 Sixteen __attribute__((vector_size(16))); /* GCC's and clang's vectors: SSE2, NEON, or plain words */

static inline u64 pack8(u64 eight) { /* the lowest bit of each byte to one bit */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return (eight & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

static inline u64 pack16(Sixteen flags) {
    u64 half[2];
    memcpy(half, &flags, 16);
    return pack8(half[0]) | pack8(half[1]) << 8;
}

static inline int begins_escape(u8 c) { return c == 'u' || c == 'f' || c == 'x'; }

/* `p` has CHUNK bytes; `next` is the byte after them, 0 at the end. */
static inline void classify_plain(const u8 *p, u8 next, Masks *m) {
    u64 quote = 0, escapes = 0;
    memset(m, 0, sizeof *m);
    for (int at = 0; at < CHUNK; at += 16) {
        Sixteen v;
        memcpy(&v, p + at, 16);
        Sixteen high = v >> 7, dot = (Sixteen)(v == '.'), slash = (Sixteen)(v == '\\');
        Sixteen token = (Sixteen)((v | 0x20) - 'a' < 26) | (Sixteen)(v - '0' < 10) | (Sixteen)(v == '-') |
                        (Sixteen)(v == '_') | dot | high;
        m->token |= pack16(token) << at;
        m->dot |= pack16(dot) << at;
        m->high |= pack16(high) << at;
        m->colon |= pack16((Sixteen)(v == ':')) << at;
        m->slash |= pack16(slash) << at;
        quote |= pack16((Sixteen)(v == '"')) << at;
        escapes |= pack16((Sixteen)(v == 'u') | (Sixteen)(v == 'f') | (Sixteen)(v == 'x')) << at;
    }
    m->key = quote & (m->colon >> 1 | (u64)(next == ':') << 63);
    m->slash &= escapes >> 1 | (u64)begins_escape(next) << 63;
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
