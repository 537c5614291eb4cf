/* The loop over a text, included once for each way to classify bytes (SCAN, CLASSIFY, TARGET).
 *
 * No byte outside [text, text + n) is read: the last, partial chunk is classified in a copy, and all else goes by
 * positions that the masks of those bytes gave.
 */

TARGET static void SCAN(Scan *s) {
    size_t start = 0;    /* of the token that is open at the end of a chunk */
    u64 open = 0;        /* 1 if there is one */
    u64 open_dot = 0, open_high = 0;
    u64 joined = 0;      /* 1 if the last byte was of a token or a colon */
    u64 dots_before = 0; /* the dots of the chunk before */
    int any_word = atomic_load_explicit(&((Set *)s->set)->bare[0], memory_order_relaxed);
    for (size_t base = 0; base < s->n; base += CHUNK) {
        Masks m;
        if (s->n - base >= CHUNK) {
            CLASSIFY(s->text + base, s->n - base > CHUNK ? s->text[base + CHUNK] : 0, &m);
        } else {
            u8 last[CHUNK] = {0};
            memcpy(last, s->text + base, s->n - base);
            CLASSIFY(last, 0, &m);
        }
        u64 begins = m.token & ~(m.token << 1 | open);
        /* A bit added to a run of ones is carried to the place after the run: where a token that has it ends. */
        u64 with_dot, with_high, sum;
        u64 dot_over = (u64)__builtin_add_overflow(m.token, m.dot, &sum) | (u64)__builtin_add_overflow(sum, open_dot, &with_dot);
        u64 high_over = (u64)__builtin_add_overflow(m.token, m.high, &sum) | (u64)__builtin_add_overflow(sum, open_high, &with_high);
        u64 run = m.token & m.token >> 1; /* will be where 32 bytes of a token follow */
        run &= run >> 2;
        run &= run >> 4;
        run &= run >> 8;
        run &= run >> 16;
        u64 first = open & ~m.token; /* ended with the chunk before */
        u64 rest = open ? ~m.token & (m.token + 1) & ~(u64)1 : 0; /* ... or ends in this one */
        u64 ends = ~m.token & (with_dot | with_high | (m.token + run) | first | rest) & ~m.key;
        if (any_word) ends = ~m.token & (m.token << 1 | open) & ~m.key;
        u64 colons = m.colon & ((m.token | m.colon) << 1 | joined);
        for (u64 events = ends | colons | (s->lines ? m.slash : 0); events; events &= events - 1) {
            unsigned k = (unsigned)__builtin_ctzll(events);
            u64 bit = events & -events;
            if (ends & bit) {
                u64 below = begins & (bit - 1);
                size_t from = start;
                u64 dots;
                if (below) {
                    unsigned b = 63 - (unsigned)__builtin_clzll(below);
                    from = base + b;
                    dots = m.dot >> b & (((u64)1 << (k - b)) - 1);
                } else { /* it began before this chunk, so base >= CHUNK; it has k bytes here */
                    size_t behind = base - from;
                    u64 here = k ? m.dot & (((u64)1 << k) - 1) : 0;
                    dots = behind + k > 64 ? 0 : behind == 64 ? dots_before : dots_before >> (64 - behind) | (behind < 64 ? here << behind : 0);
                }
                int wide = (with_high & bit) != 0;
                token(s, from, base + k, dots, wide);
            }
            if (colons & bit) colon_run(s, base + k);
            if (s->lines && m.slash & bit) escape(s, base + k);
        }
        joined = (m.token | m.colon) >> 63;
        if (m.token >> 63) {
            if (begins) start = base + 63 - (size_t)__builtin_clzll(begins);
            open = 1;
            open_dot = dot_over;
            open_high = high_over;
        } else {
            open = open_dot = open_high = 0;
        }
        dots_before = m.dot;
        if (s->hit) return;
    }
    if (open) { /* the text ends inside a token, at the end of a chunk */
        size_t behind = s->n - start;
        token(s, start, s->n, behind <= 64 ? dots_before >> (64 - behind) : 0, (int)open_high);
    }
    answer_all(s);
}
