/* One form for all spellings of a name that is not ASCII (UTS #46), whatever its normalisation.
 *
 * A character is mapped as UTS #46 maps it, decomposed, and its combining marks are left out, so composed and
 * decomposed spellings become the same without composing anything. A label that still is not pure ASCII after the
 * mapping gets the byte 0xFF at its end, so that a homograph is not taken for what it imitates. An A-label in such a
 * name is decoded first. The form is for keys only: it is a little coarser than the truth, never finer.
 *
 * The table (made by `fold.py`, which has the same description): 0x1100 words, the page of `c >> 8`, from 1, or 0; one
 * word, the number of pages; pages of 256 words, one a character: 0 itself, 1 white space, else FOLDED | offset << 8 |
 * count << 1 | not_ascii; then the pool of characters. `set_new` checks every page, offset and count.
 */
#ifndef MITHAQ_FOLD_H
#define MITHAQ_FOLD_H

#include "decode.h"

#define FOLDED 0x80000000u
enum { PAGES = 0x1101, WHITE = 1, MOST_FOLDED = 31, NAME_ROOM = 4096, MAX_LABEL = 63 };

typedef struct {
    u8 text[NAME_ROOM];
    size_t n;
    size_t label;  /* where the current label begins */
    int not_ascii; /* of the current label */
    int marked;    /* some label was not ASCII */
    int overflow;
} Name;

static inline u32 cell_of(const Set *set, u32 c) {
    u32 page = c < 0x110000 ? set->fold[c >> 8] : 0;
    return page ? set->fold[PAGES + (page - 1) * 256 + (c & 0xFF)] : 0;
}

static inline void end_label(Name *name) {
    if (name->not_ascii && name->n < NAME_ROOM) {
        name->text[name->n++] = 0xFF;
        name->marked = 1;
    }
    name->not_ascii = 0;
}

static inline void put_char(Name *name, u32 c) {
    if (name->n + 5 > NAME_ROOM) { /* no name of 253 characters gets here: at most 3 characters of 4 bytes each */
        name->overflow = 1;
        return;
    }
    if (c == '.') {
        end_label(name);
        name->text[name->n++] = '.';
        name->label = name->n;
        return;
    }
    if (c >= 'A' && c <= 'Z') c |= 0x20;
    name->n += write_char(name->text + name->n, c);
}

static inline void fold_char(const Set *set, Name *name, u32 c, u32 cell) {
    if (c < 0x80) {
        put_char(name, c);
    } else if (c >= 0xAC00 && c < 0xD7A4) { /* Hangul, Unicode 15 §3.12 */
        u32 index = c - 0xAC00, last = index % 28;
        name->not_ascii = 1;
        put_char(name, 0x1100 + index / 588);
        put_char(name, 0x1161 + index % 588 / 28);
        if (last) put_char(name, 0x11A7 + last);
    } else if (cell & FOLDED) {
        const u32 *pool = set->fold + PAGES + set->fold[PAGES - 1] * 256;
        if (cell & 1) name->not_ascii = 1;
        for (u32 i = 0; i < (cell >> 1 & MOST_FOLDED); i++) put_char(name, pool[(cell >> 8 & 0x7FFFFF) + i]);
    } else {
        name->not_ascii = 1;
        put_char(name, c);
    }
}

/* Decode Punycode (RFC 3492 §6.2); return the number of characters, or -1. */
static inline int decode_punycode(const u8 *p, size_t n, u32 out[MAX_LABEL]) {
    size_t basic = 0, in = 0, count = 0;
    u32 next = 128, bias = 72;
    u64 i = 0;
    for (size_t k = 0; k < n; k++)
        if (p[k] == '-') basic = k;
    if (n > MAX_LABEL) return -1;
    for (; count < basic; count++) out[count] = p[count];
    in = basic ? basic + 1 : 0;
    while (in < n) {
        u64 before = i, weight = 1;
        for (u32 k = 36;; k += 36) {
            if (in == n) return -1;
            u8 c = p[in++] | 0x20;
            u32 digit = c >= 'a' && c <= 'z' ? (u32)(c - 'a') : is_digit(c) ? (u32)(c - '0' + 26) : 99;
            if (digit == 99) return -1;
            u32 threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
            i += digit * weight;
            if (i > 0x7FFFFFFF) return -1;
            if (digit < threshold) break;
            weight *= 36 - threshold;
            if (weight > 0x7FFFFFFF) return -1;
        }
        if (count == MAX_LABEL) return -1;
        count++;
        u64 delta = before ? (i - before) / 2 : (i - before) / 700;
        delta += delta / count;
        for (bias = 0; delta > 455; bias += 36) delta /= 35;
        bias += (u32)(36 * delta / (delta + 38));
        next += (u32)(i / count);
        i %= count;
        if (next > 0x10FFFF) return -1;
        memmove(out + i + 1, out + i, (count - 1 - i) * sizeof *out);
        out[i++] = next;
    }
    return (int)count;
}

/* Fold a name once more with its A-labels decoded; return whether there were any. */
static inline int fold_a_labels(const Set *set, const u8 *p, size_t n, Name *out) {
    int any = 0;
    out->n = out->label = 0;
    out->not_ascii = out->marked = out->overflow = 0;
    for (size_t start = 0; start <= n;) {
        const u8 *dot = memchr(p + start, '.', n - start);
        size_t end = dot ? (size_t)(dot - p) : n;
        u32 decoded[MAX_LABEL];
        int count = -1;
        if (end - start > 4 && (read4(p + start) | (u32)CASE) == (read4((const u8 *)"xn--") | (u32)CASE))
            count = decode_punycode(p + start + 4, end - start - 4, decoded);
        any |= count >= 0;
        for (int k = 0; k < count; k++) fold_char(set, out, decoded[k], cell_of(set, decoded[k]));
        if (count < 0) {
            for (size_t k = start; k < end && out->n < NAME_ROOM; k++) out->text[out->n++] = p[k];
            out->overflow |= out->n == NAME_ROOM;
        }
        start = end + 1;
        if (dot)
            put_char(out, '.');
        else
            end_label(out);
    }
    return any;
}

#endif
