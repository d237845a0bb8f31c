/*
 * metadata.h - what the columns of a layout are, for machines: FOCUS schema metadata and CSV on the Web.
 */
#ifndef FARTHING_REPORTS_METADATA_H
#define FARTHING_REPORTS_METADATA_H

#include "reports/report.h"

struct buf;

/* FOCUS schema metadata of Cost and Usage; the same for all accounts and months. */
void metadata_focus(enum report_focus_version version, struct buf *out);
/* CSV on the Web (W3C tabular metadata) of options->csvw_of; url is the file it describes. */
void metadata_csvw(const struct report_options *options, const char *url, struct buf *out);

#endif
