/** @file
 * Curves as an SVG file.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  const char*   name;
  const double* y; ///< A value for each place on the x axis, greater than 0
} bench_curve;

/**
 * Write curves over the same places, both axes logarithmic.
 *
 * @param x Powers of two from 1024 on, increasing.
 * @return False if the file cannot be written; errno says why.
 */
bool bench_plot(const char*        path,
                const char*        x_title,
                const char*        y_title,
                size_t             n,
                const double*      x,
                size_t             n_curves,
                const bench_curve* curves);

#endif /* BENCH_PLOT_H */
