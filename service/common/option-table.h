/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

G_BEGIN_DECLS

/* One table describes one a{sv}: what keys there are, of what type, where each value goes, which values are
 * allowed. The same table parses messages, writes and reads the state on disk, and is compared with the
 * documentation by a test. */

typedef struct Option Option;
typedef struct OptionType OptionType;

/* NULL, or why the value is refused: "must not be empty". */
typedef const char *(*OptionCheck)(const void *field);

/* How a value of one D-Bus signature is stored in a struct. FIELD points at the member; a value read
 * replaces and frees the one that was there. */
struct OptionType {
        const char *signature;
        int (*read)(sd_bus_message *m, void *field); /* -ENOTUNIQ for a dictionary with the same key twice */
        int (*append)(sd_bus_message *m, const void *field);
        JsonNode *(*to_json)(const void *field);       /* NULL result: nothing to store */
        int (*from_json)(JsonNode *node, void *field); /* -EINVAL for a node of another shape */
        void (*clear)(void *field);
        /* The part of a value that CHECK refuses, for people: of a list the entry. NULL: the type has no
         * text. */
        char *(*refused)(const void *field, OptionCheck check);
};

typedef enum OptionFlags {
        OPTION_REQUIRED = 1 << 0,
} OptionFlags;

struct Option {
        const char *key;
        const OptionType *type;
        size_t offset;       /* of the member in the target struct */
        OptionCheck invalid; /* or NULL */
        OptionFlags flags;
};

/* A table's number of entries is also the number of bits needed in the "set" masks below. */
#define OPTIONS_MAX 64

/* What the values of an a{sv} may have together: each string with the byte at its end, 8 for anything else.
 * What is saved of it is far below STATE_FILE_SIZE_MAX then, escapes included. */
#define OPTIONS_BYTES_MAX (1024U * 1024U)

/* const char *-typed members are char *, lists char ** (NULL for empty), dictionaries GHashTable * of
 * string to string (NULL for empty), descriptors int (-1 for none). */
extern const OptionType option_type_string; /* s     char *       */
extern const OptionType option_type_strv;   /* as    char **      */
extern const OptionType option_type_bool;   /* b     bool         */
extern const OptionType option_type_int32;  /* i     int32_t      */
extern const OptionType option_type_uint16; /* q     uint16_t     */
extern const OptionType option_type_uint32; /* u     uint32_t     */
extern const OptionType option_type_uint64; /* t     uint64_t     */
extern const OptionType option_type_fd;     /* h     int, owned; never stored on disk */
extern const OptionType option_type_dict;   /* a{ss} GHashTable * */

/* Reads an a{sv} at the message's current position into TARGET. An unknown key, a wrong type, a key given
 * twice, a refused value and a missing required key each give InvalidSpec naming the key, more than
 * OPTIONS_BYTES_MAX LimitExceeded; TARGET then holds a part of the values and is to be cleared. RET_SET, if
 * not NULL, gets a bit for each table entry that the message gave. */
int options_read(sd_bus_message *m, const Option *table, size_t n, void *target, uint64_t *ret_set,
                sd_bus_error *error);

/* One entry of an a{sv}, into an array of {sv} that is open. */
int option_append_entry(sd_bus_message *m, const Option *option, const void *target);

/* The entries of SET as a JSON object (descriptors left out), and back. Unknown and missing keys are
 * tolerated when reading, since another version may have written them; a value of the wrong shape is
 * -EINVAL. */
JsonNode *options_to_json(const Option *table, size_t n, const void *target, uint64_t set);
int options_from_json(JsonObject *object, const Option *table, size_t n, void *target, uint64_t *ret_set);

/* Frees every member that the table names. */
void options_clear(const Option *table, size_t n, void *target);

/* The entry of that key, or NULL. */
const Option *options_find(const Option *table, size_t n, const char *key);

/* What to say of a key that is not in the table: the one that was probably meant, or all of a small
 * table. */
char *options_describe_unknown(const Option *table, size_t n, const char *key);
/* What to say of a value of the entry that its check refuses for REASON: with the value, or the part of
 * it. */
char *option_describe_refused(const Option *option, const void *target, const char *reason);

/* Ready-made checks for the table. */
const char *option_invalid_if_empty(const void *field);
const char *option_invalid_unless_absolute(const void *field);
const char *option_invalid_environment(const void *field);
const char *option_invalid_if_zero32(const void *field);
const char *option_invalid_if_zero64(const void *field);

G_END_DECLS
