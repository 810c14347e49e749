/* vitals.h - what a worker tells of itself: how long the turns of its loop take, that it lives
 * (heartbeat.h), and once a second what its modules hold and have done (metrics.h). */
#pragma once
#include "host.h"

struct vitals;

/* Begins at once. The modules that `host` has must stay until vitals_stop. */
struct vitals *vitals_start(struct host *host);

/* One last sample; the memory goes when the loop has closed the handles. NULL is fine. */
void vitals_stop(struct vitals *vitals);
