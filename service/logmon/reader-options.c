/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-error.h"
#include "option-table.h"
#include "reader.h"

#define FIELD(member) offsetof(ReaderOptions, member)

const Option reader_options_table[] = {
        { "Follow", &option_type_bool, FIELD(follow), NULL, 0 },
        { "FromEnd", &option_type_bool, FIELD(from_end), NULL, 0 },
        { "Offset", &option_type_uint64, FIELD(offset), NULL, 0 },
        { "Lines", &option_type_uint64, FIELD(lines), NULL, 0 },
};
const size_t reader_options_table_size = G_N_ELEMENTS(reader_options_table);

int reader_options_read(sd_bus_message *m, ReaderOptions *options, sd_bus_error *error)
{
        const uint64_t lines = UINT64_C(1) << 3;
        uint64_t set;
        int r;

        r = options_read(m, reader_options_table, reader_options_table_size, options, &set, error);
        if (r < 0)
                return r;

        options->by_lines = set & lines;
        if (options->by_lines && (options->from_end || options->offset > 0))
                return sd_bus_error_set(error, BUS_ERROR_INVALID_SPEC,
                                "Lines is given together with Offset or FromEnd");

        return 0;
}
