/* From bytes to keys: the same functions make the key of what is looked for and of what a line holds.
 *
 * No function here reads a byte outside [p, p + n): shorter reads overlap instead of running over the end.
 */
#ifndef MITHAQ_KEYS_H
#define MITHAQ_KEYS_H

#include "table.h"

#define CASE 0x2020202020202020u /* folds the case of ASCII letters; leaves digits, `-` and `.` alone */

enum { MAX_NAME = 254, MAX_ADDRESS6 = 45 };

static inline u64 read8(const u8 *p) {
    u64 word;
    memcpy(&word, p, 8);
    return word;
}

static inline u64 read4(const u8 *p) {
    u32 word;
    memcpy(&word, p, 4);
    return word;
}

/* Hash n bytes without regard to the case of ASCII letters. */
static inline u64 hash_bytes(const u8 *p, size_t n, u64 hash) {
    hash ^= n;
    if (n >= 8) {
        for (; n > 8; p += 8, n -= 8) {
            hash = mix(hash, read8(p) | CASE);
            if (n < 16) { /* 8 < n < 16: the last eight bytes begin n - 8 further, still inside */
                return mix(hash, read8(p + n - 8) | CASE);
            }
        }
        return mix(hash, read8(p) | CASE);
    }
    if (n >= 4) return mix(hash, (read4(p) << 32 | read4(p + n - 4)) | CASE);
    if (n) return mix(hash, ((u64)p[0] << 16 | (u64)p[n >> 1] << 8 | p[n - 1]) | CASE);
    return mix(hash, 1);
}

static inline u64 root_key(const Set *set) { return set->seed ^ 0xD0; }
static inline u64 word_key(const Set *set, const u8 *p, size_t n) { return hash_bytes(p, n, set->seed ^ 0xA0); }
static inline u64 address4_key(const Set *set, u32 address) { return mix(set->seed ^ 0x44, address); }

static inline u64 network4_key(const Set *set, u32 address, unsigned length) {
    return mix(set->seed ^ 0x45 ^ (u64)length << 8, address >> (32 - length)); /* length: 1..31 */
}

static inline u64 network6_key(const Set *set, u64 high, u64 low, unsigned length) { /* length: 0..128 */
    if (length < 64) {
        high = length ? high >> (64 - length) << (64 - length) : 0;
        low = 0;
    } else if (length < 128)
        low = length > 64 ? low >> (128 - length) << (128 - length) : 0;
    return mix(mix(set->seed ^ 0x66 ^ (u64)length << 8, high), low);
}

static inline u64 pair_key(u64 host, u64 rest) { return mix(host ^ 0x9A, rest); }

static inline int is_digit(u8 c) { return (u8)(c - '0') <= 9; }

static inline int hex_of(u8 c) {
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read exactly four octets. Zeros that lead are let through: a candidate more, never one less. */
static inline int read_address4(const u8 *p, size_t n, u32 *address) {
    u32 value = 0, octet = 0;
    unsigned digits = 0, dots = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.') {
            if (!digits || dots == 3) return 0;
            value = value << 8 | octet;
            octet = digits = 0;
            dots++;
        } else {
            if (!is_digit(p[i]) || digits == 3) return 0;
            octet = octet * 10 + (p[i] - '0');
            digits++;
            if (octet > 255) return 0;
        }
    }
    *address = value << 8 | octet;
    return dots == 3 && digits;
}

/* Are the last k of n bytes all digits? 1 <= k <= n */
static inline int ends_in_digits(const u8 *p, size_t n, size_t k) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (n >= 8 && k <= 8) {
        u64 word = read8(p + n - 8) >> (64 - 8 * k), of_k = ~(u64)0 >> (64 - 8 * k);
        u64 tens = word & 0xF0F0F0F0F0F0F0F0u, over = (word + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u;
        return tens == (of_k & 0x3030303030303030u) && (over & of_k) == (of_k & 0x3030303030303030u);
    }
#endif
    while (k && is_digit(p[n - k])) k--;
    return !k;
}

/* Read four octets of which the dots are known: bit i of `dots` is a dot at p[i], three of them. */
static inline int read_octets(const u8 *p, size_t n, u64 dots, u32 *address) {
    size_t end[4];
    u32 value = 0, bad = 0;
    for (int i = 0; i < 3; i++) {
        end[i] = (size_t)__builtin_ctzll(dots);
        dots &= dots - 1;
    }
    end[3] = n;
    for (size_t i = 0, start = 0; i < 4; start = end[i++] + 1) {
        size_t digits = end[i] - start; /* at least 0; 0 or more than 3 is caught below, before p is read */
        if (digits - 1 > 2) return 0;
        const u8 *last = p + end[i] - 1;
        u32 one = (u32)*last - '0', ten = (u32)*(last - (digits > 1)) - '0', hundred = (u32)p[start] - '0';
        u32 octet = one + (digits > 1 ? 10 * ten : 0) + (digits > 2 ? 100 * hundred : 0);
        bad |= (one > 9) | (ten > 9) | (hundred > 9) | (octet > 255);
        value = value << 8 | octet;
    }
    *address = value;
    return !bad;
}

/* Read an IPv6 address in any spelling of RFC 4291 §2.2. */
static inline int read_address6(const u8 *p, size_t n, u64 *high, u64 *low) {
    u32 group[8];
    int groups = 0, gap = -1;
    size_t i = 0;
    if (n < 2 || n > MAX_ADDRESS6) return 0;
    if (p[0] == ':') {
        if (p[1] != ':') return 0;
        gap = 0;
        i = 2;
    }
    while (i < n) {
        size_t start = i;
        u32 value = 0;
        while (i < n && hex_of(p[i]) >= 0 && i - start < 5) value = value << 4 | (u32)hex_of(p[i++]);
        if (i < n && p[i] == '.') { /* the last 32 bits are written as an IPv4 address */
            u32 address;
            if (groups > 6 || !read_address4(p + start, n - start, &address)) return 0;
            group[groups++] = address >> 16;
            group[groups++] = address & 0xFFFF;
            break;
        }
        if (i == start || i - start > 4 || groups == 8) return 0;
        group[groups++] = value;
        if (i == n) break;
        if (p[i] != ':') return 0;
        i++;
        if (i == n) return 0;
        if (p[i] == ':') {
            if (gap >= 0) return 0;
            gap = groups;
            i++;
        }
    }
    if (gap < 0 ? groups != 8 : groups > 7) return 0;
    u64 half[2] = {0, 0};
    for (int k = 0; k < groups; k++) {
        int place = gap >= 0 && k >= gap ? 8 - groups + k : k;
        half[place / 4] |= (u64)group[k] << (48 - place % 4 * 16);
    }
    *high = half[0];
    *low = half[1];
    return 1;
}

static inline int is_mapped(u64 high, u64 low) { return !high && low >> 32 == 0xFFFF; }

/* Chain the hashes of a name's labels from the last to the first: every parent's key is a step on the way. */
static inline u64 name_key(const Set *set, const u8 *p, size_t n) {
    u64 key = root_key(set);
    size_t end = n;
    for (size_t i = n; i-- > 0;)
        if (p[i] == '.') {
            key = hash_bytes(p + i + 1, end - i - 1, key);
            end = i;
        }
    return hash_bytes(p, end, key);
}

#endif
