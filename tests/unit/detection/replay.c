/* Runs the kernel over cases given on standard input, each buffer exactly as large as it is said to be.
 *
 * Input: words of 32 bits: the size of the table of characters, of the observables, of each block; then those bytes;
 * the size 0xFFFFFFFF ends it. Output: the number of candidates of each block. */
#include "kernel.c"
#include <stdio.h>

static u8 *exactly(u32 *n) {
    if (fread(n, 4, 1, stdin) != 1 || *n == 0xFFFFFFFFu) return NULL;
    u8 *bytes = malloc(*n ? *n : 1);
    if (!bytes || fread(bytes, 1, *n, stdin) != *n) abort();
    return bytes;
}

int main(void) {
    u32 n;
    u8 *fold = exactly(&n), *block;
    Set *set = set_new(0x1234567, (const u32 *)fold, n / 4);
    u8 *observables = exactly(&n);
    if (!set || set_add(set, observables, n) < 0) return 1;
    free(observables);
    while ((block = exactly(&n))) {
        int64_t lines[2 * 8];
        printf("%ld\n", set_scan(set, block, n, lines, 8));
        free(block);
    }
    set_free(set);
    free(fold);
    return 0;
}
