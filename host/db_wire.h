/* db_wire.h - cells of MariaDB's binary protocol. */
#pragma once
#include "db_conn.h"
#include <mysql.h>

enum { DB_SCRATCH = 32 }; /* the longest formatted time and a NUL fit */

/* Decodes the cell at `*at` (which moves behind it) of a column of this type. Texts point
 * into the row; times are formatted into `scratch`. */
void db_wire_cell(const MYSQL_FIELD *field, const unsigned char **at, char *scratch,
                  struct db_value *cell);
