/** @file
 * A run of `maudio process`, and what works on its files.
 */
#ifndef CLI_PROCESS_RUN_H
#define CLI_PROCESS_RUN_H

#include "conversion.h"
#include "cuda_device.h"
#include "denoiser.h"
#include "jobs.h"
#include "progress.h"
#include "summary.h"

#include <stddef.h>

typedef struct {
  denoise_settings settings;
  job_list*        list;
  unsigned         n_jobs; ///< CPU threads
  progress         shown;
  summary          result;
} process_run;

/// Process all files on the CPU, as many at once as there are threads
void process_on_cpu(process_run* run);

/// Process all files on GPUs
void process_on_gpus(process_run* run, const cuda_devices* devices);

#endif /* CLI_PROCESS_RUN_H */
