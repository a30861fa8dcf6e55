#include "plot.h"

#include <math.h>
#include <stdio.h>

enum {
  width  = 660,
  height = 400,
  left   = 70,
  right  = 500,
  top    = 20,
  bottom = 345
};

static const char* const colours[] = {"#1f6fb2", "#c2410c"};
enum { n_colours = sizeof colours / sizeof colours[0] };

/// Ends of the axes
typedef struct {
  double x0, x1;
  double y0, y1;
} range;

static double x_at(const range* r, double x)
{
  return left + (right - left) * log(x / r->x0) / log(r->x1 / r->x0);
}

static double y_at(const range* r, double y)
{
  return bottom - (bottom - top) * log(y / r->y0) / log(r->y1 / r->y0);
}

/// All values, with whole decades of y
static range find_range(size_t             n,
                        const double*      x,
                        size_t             n_curves,
                        const bench_curve* curves)
{
  range r = {x[0], x[n - 1], curves[0].y[0], curves[0].y[0]};
  for (size_t c = 0; c < n_curves; ++c) {
    for (size_t i = 0; i < n; ++i) {
      r.y0 = fmin(r.y0, curves[c].y[i]);
      r.y1 = fmax(r.y1, curves[c].y[i]);
    }
  }
  r.y0 = pow(10, floor(log10(r.y0)));
  r.y1 = pow(10, ceil(log10(r.y1)));
  r.x1 = r.x1 > r.x0 ? r.x1 : 2 * r.x0;
  r.y1 = r.y1 > r.y0 ? r.y1 : 10 * r.y0;
  return r;
}

static void write_axes(FILE* file, const range* r, size_t n, const double* x)
{
  for (size_t i = 0; i < n; ++i) {
    const double at = x_at(r, x[i]);
    fprintf(file,
            "<path d=\"M%.1f %dV%d\" stroke=\"#ddd\"/>\n"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0fk</text>\n",
            at, top, bottom, at, bottom + 18, x[i] / 1024);
  }
  const int n_decades = (int)lround(log10(r->y1 / r->y0));
  for (int i = 0; i <= n_decades; ++i) {
    const double y  = r->y0 * pow(10, i);
    const double at = y_at(r, y);
    fprintf(file,
            "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
            left, at, right, left - 8, at + 4, y);
  }
}

static void write_curve(FILE*              file,
                        const range*       r,
                        size_t             n,
                        const double*      x,
                        const bench_curve* curve,
                        const char*        colour)
{
  fprintf(file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" d=\"",
          colour);
  for (size_t i = 0; i < n; ++i) {
    fprintf(file, "%c%.1f %.1f", i ? 'L' : 'M', x_at(r, x[i]),
            y_at(r, curve->y[i]));
  }
  fprintf(file, "\"/>\n<g fill=\"%s\">\n", colour);
  for (size_t i = 0; i < n; ++i) {
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", x_at(r, x[i]),
            y_at(r, curve->y[i]));
  }
  fprintf(file, "<text x=\"%d\" y=\"%.1f\">%s</text>\n</g>\n", right + 10,
          y_at(r, curve->y[n - 1]) + 4, curve->name);
}

bool bench_plot(const char*        path,
                const char*        x_title,
                const char*        y_title,
                size_t             n,
                const double*      x,
                size_t             n_curves,
                const bench_curve* curves)
{
  FILE* const file = fopen(path, "w");
  if (!file) {
    return false;
  }
  const range r = find_range(n, x, n_curves, curves);
  fprintf(file,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
          " font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
          "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
          "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n"
          "<text transform=\"translate(20 %d) rotate(-90)\""
          " text-anchor=\"middle\">%s</text>\n",
          width, height, width, height, (left + right) / 2, bottom + 42,
          x_title, (top + bottom) / 2, y_title);
  write_axes(file, &r, n, x);
  for (size_t c = 0; c < n_curves; ++c) {
    write_curve(file, &r, n, x, &curves[c], colours[c % n_colours]);
  }
  fprintf(file, "</svg>\n");
  const bool written = !ferror(file);
  return !fclose(file) && written;
}
