/** @file
 * Time that passes.
 */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

/// Return seconds since some moment in the past
double clock_now_s(void);

/// Add the seconds since `*since_s` to `*sum_s`, and make it now
void clock_add(double* sum_s, double* since_s);

#endif /* CLI_CLOCK_H */
