/* Undo the escapes of a line into a scratch buffer as large as the line: no reading ever yields more bytes.
 *
 * A decoded line feed becomes a space: it ends a value, and the scratch is one line.
 */
#ifndef MITHAQ_DECODE_H
#define MITHAQ_DECODE_H

#include "keys.h"

/* Read one character of UTF-8 at p < end; return how many bytes it has (at least 1).
 *
 * What is not UTF-8 gives U+FFFD for the longest part that could have begun a character, as Python's decoder does
 * (Unicode 15, §3.9, "substitution of maximal subparts"). */
static inline size_t read_char(const u8 *p, const u8 *end, u32 *character) {
    u8 first = p[0];
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    u8 least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    u8 most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    u32 value = first & (0x3Fu >> more);
    if (first < 0x80) {
        *character = first;
        return 1;
    }
    *character = 0xFFFD;
    if (first < 0xC2 || first > 0xF4) return 1;
    for (size_t i = 1; i <= more; i++) {
        if (p + i >= end || p[i] < least || p[i] > most) return i;
        value = value << 6 | (p[i] & 0x3F);
        least = 0x80;
        most = 0xBF;
    }
    *character = value;
    return more + 1;
}

/* Write a character (any 21 bits) as UTF-8; at most 4 bytes. */
static inline size_t write_char(u8 *out, u32 c) {
    if (c < 0x80) {
        out[0] = (u8)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (u8)(0xC0 | c >> 6);
        out[1] = (u8)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (u8)(0xE0 | c >> 12);
        out[1] = (u8)(0x80 | (c >> 6 & 0x3F));
        out[2] = (u8)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (u8)(0xF0 | (c >> 18 & 7));
    out[1] = (u8)(0x80 | (c >> 12 & 0x3F));
    out[2] = (u8)(0x80 | (c >> 6 & 0x3F));
    out[3] = (u8)(0x80 | (c & 0x3F));
    return 4;
}

/* Read four hexadecimal digits at p; return -1 if they are not there. */
static inline long four_digits(const u8 *p, const u8 *end) {
    long value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(p[i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Undo JSON's escapes (RFC 8259 §7), wherever they stand. `\uXXXX` has six bytes and gives at most three, a pair
 * twelve and four; every other escape gives one for two. */
static inline size_t decode_json(const u8 *p, size_t n, u8 *out) {
    const u8 *end = p + n;
    u8 *to = out;
    while (p < end) {
        const u8 *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash ? slash : end) - p);
        memcpy(to, p, plain);
        to += plain;
        p += plain;
        if (end - p < 2) {
            if (p < end) *to++ = *p++;
            continue;
        }
        long value;
        if (p[1] == 'u' && (value = four_digits(p + 2, end)) >= 0) {
            p += 6;
            if (value >= 0xD800 && value < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
                long low = four_digits(p + 2, end);
                if (low >= 0xDC00 && low < 0xE000) {
                    value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
                    p += 6;
                }
            }
            to += write_char(to, value == '\n' ? ' ' : (u32)value);
            continue;
        }
        u8 c = p[1];
        *to++ = c == 'n' || c == 'r' || c == 't' || c == 'f' || c == 'b' ? ' ' : c;
        p += 2;
    }
    return (size_t)(to - out);
}

static inline int is_hex_escape(const u8 *p, const u8 *end) {
    return end - p >= 4 && p[0] == '\\' && p[1] == 'x' && hex_of(p[2]) >= 0 && hex_of(p[3]) >= 0;
}

/* Undo Zeek's `\xNN`. A cell's escapes are bytes of UTF-8 where that gives valid text (then characters up to U+00FF
 * that stand beside them count as bytes, too), else characters: `as_bytes` chooses. */
static inline size_t decode_zeek(const u8 *p, size_t n, u8 *out, int as_bytes) {
    const u8 *end = p + n;
    u8 *to = out;
    while (p < end) {
        u32 c = *p;
        if (is_hex_escape(p, end)) {
            c = (u32)(hex_of(p[2]) << 4 | hex_of(p[3]));
            if (c == '\n') c = ' ';
            p += 4;
        } else if (c < 0x80) {
            p++;
        } else {
            size_t length = read_char(p, end, &c);
            if (!as_bytes || c > 0xFF) { /* copied as it is, valid or not */
                memmove(to, p, length);
                to += length;
                p += length;
                continue;
            }
            p += length;
        }
        if (as_bytes)
            *to++ = (u8)c;
        else
            to += write_char(to, c);
    }
    return (size_t)(to - out);
}

/* Undo only `\"` and `\\`, as a web server's log needs it. */
static inline size_t decode_quoted(const u8 *p, size_t n, u8 *out) {
    size_t to = 0;
    for (size_t at = 0; at < n; at++) {
        if (p[at] == '\\' && at + 1 < n && (p[at + 1] == '"' || p[at + 1] == '\\')) at++;
        out[to++] = p[at];
    }
    return to;
}

#endif
