/* The set of 64-bit keys: 128 shards, each a small Bloom filter before an open-addressing table.
 *
 * One thread adds at a time (the caller sees to it); any number may look up meanwhile. A shard that grows is built
 * anew beside the old one and swapped in by one store, so looking up never waits. What was replaced is freed by a
 * later add at an instant at which nobody is scanning.
 *
 * An entry is the key with its low four bits replaced by flags; 0 is an empty place.
 */
#ifndef MITHAQ_TABLE_H
#define MITHAQ_TABLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
__extension__ typedef unsigned __int128 u128;

enum {
    HIT = 1,        /* whoever finds this key has found a candidate */
    URL_HOST = 2,   /* the host of a URL: its line is a candidate if the rest of the URL is there too */
    EMAIL_HOST = 4, /* the domain of an e-mail address, likewise */
    FLAGS = 15
};

enum { SHARDS = 128, FIRST_PLACES = 16 };

typedef struct Shard {
    u64 places;            /* a power of two */
    u64 used;              /* entries; at most three quarters of the places, so every probe ends */
    struct Shard *retired; /* the next one that waits to be freed */
    _Atomic u64 *bloom;    /* places / 8 words */
    _Atomic u64 entry[];   /* `places` entries, then the words of the Bloom filter */
} Shard;

typedef struct {
    _Atomic(Shard *) shard[SHARDS];
    atomic_int readers;
    Shard *retired;
    u64 seed; /* secret, so that neither intelligence nor telemetry can be made to collide */
    u64 keys;
    size_t bytes;
    int full; /* there was no memory */
    _Atomic u64 wide4[1 << 10]; /* 2^16 bits: the /16 networks of IPv4 that a network of the set touches */
    _Atomic(_Atomic u64 *) nets4; /* 2^24 bits: the /24 networks of IPv4 that a network of the set touches */
    atomic_uint_fast64_t lens4; /* bit n: there is a network of IPv4 with prefix length n (1..31) */
    atomic_uint_fast64_t lens6[2]; /* likewise for IPv6 (1..127) */
    atomic_uchar words[129];    /* the lengths of hashes and fingerprints in the set */
    atomic_uchar bare[65];      /* [0]: URLs have hosts of one label; [n]: such a host of n bytes */
    const u32 *fold;            /* see fold.h; kept alive by the caller */
    size_t fold_words;
} Set;

static inline u64 mix(u64 a, u64 b) {
    u128 product = (u128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    return (u64)product ^ (u64)(product >> 64);
}

static inline u64 entry_of(u64 key) {
    key &= ~(u64)FLAGS;
    return key ? key : FLAGS + 1;
}

static inline u64 bloom_bits(u64 key) { return (u64)1 << (key >> 4 & 63) | (u64)1 << (key >> 10 & 63); }

static inline Shard *shard_of(const Set *set, u64 key) {
    return atomic_load_explicit(&((Set *)set)->shard[key >> 57], memory_order_acquire);
}

static inline _Atomic u64 *bloom_word(Shard *shard, u64 key) {
    return &shard->bloom[key >> 28 & (shard->places / 8 - 1)];
}

static inline void look_ahead(const Set *set, u64 key) { __builtin_prefetch(bloom_word(shard_of(set, key), key)); }

/* Return the flags of a key, 0 if it is not in the set. */
static inline unsigned flags_of(const Set *set, u64 key) {
    Shard *shard = shard_of(set, key);
    u64 bits = bloom_bits(key);
    if ((atomic_load_explicit(bloom_word(shard, key), memory_order_relaxed) & bits) != bits) return 0;
    u64 wanted = entry_of(key);
    for (u64 at = key >> 24;; at++) {
        u64 entry = atomic_load_explicit(&shard->entry[at & (shard->places - 1)], memory_order_relaxed);
        if (!entry) return 0;
        if ((entry & ~(u64)FLAGS) == wanted) return entry & FLAGS;
    }
}

static inline size_t shard_bytes(u64 places) { return sizeof(Shard) + (places + places / 8) * sizeof(u64); }

static inline Shard *new_shard(u64 places) {
    Shard *shard = calloc(1, shard_bytes(places));
    if (shard) {
        shard->places = places;
        shard->bloom = shard->entry + places;
    }
    return shard;
}

static inline void put_entry(Shard *shard, u64 entry) {
    _Atomic u64 *word = bloom_word(shard, entry);
    u64 bits = atomic_load_explicit(word, memory_order_relaxed) | bloom_bits(entry);
    for (u64 at = entry >> 24;; at++) {
        _Atomic u64 *place = &shard->entry[at & (shard->places - 1)];
        u64 there = atomic_load_explicit(place, memory_order_relaxed);
        if (there && (there ^ entry) & ~(u64)FLAGS) continue;
        if (!there) shard->used++;
        atomic_store_explicit(place, there | entry, memory_order_relaxed);
        break;
    }
    atomic_store_explicit(word, bits, memory_order_relaxed);
}

static inline void free_retired(Set *set) {
    if (atomic_load(&set->readers)) return;
    while (set->retired) {
        Shard *shard = set->retired;
        set->retired = shard->retired;
        set->bytes -= shard_bytes(shard->places);
        free(shard);
    }
}

/* Put a key with its flags; return 0 if there is no memory. */
static inline int put(Set *set, u64 key, unsigned flags) {
    Shard *shard = shard_of(set, key);
    if (shard->used >= shard->places / 4 * 3) {
        Shard *grown = new_shard(shard->places * 2);
        if (!grown) {
            set->full = 1;
            return 0;
        }
        for (u64 at = 0; at < shard->places; at++)
            if (shard->entry[at]) put_entry(grown, shard->entry[at]);
        set->bytes += shard_bytes(grown->places);
        shard->retired = set->retired;
        set->retired = shard;
        atomic_store(&set->shard[key >> 57], grown);
        shard = grown;
    }
    u64 before = shard->used;
    put_entry(shard, entry_of(key) | flags);
    set->keys += shard->used - before;
    return 1;
}

#endif
