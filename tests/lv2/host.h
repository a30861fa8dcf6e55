/** @file
 * A host for tests: runs one plugin of the bundle, by lilv, in LV2_PATH.
 */
#ifndef HOST_H
#define HOST_H

#include <lilv/lilv.h>
#include <lv2/log/log.h>
#include <lv2/state/state.h>
#include <lv2/worker/worker.h>
#include <stdbool.h>

#include "ports.h"

#define HOST_MONO "urn:maudio:denoise-mono"
#define HOST_STEREO "urn:maudio:denoise-stereo"
#define HOST_GENERATOR "urn:maudio:generator"
#define HOST_MODEL "urn:maudio:model"

/// When the plugin's worker works
typedef enum {
  HOST_NO_WORKER,
  HOST_AT_ONCE,  ///< Within run(), as when a host exports
  HOST_DEFERRED, ///< In host_work()
  HOST_THREADED  ///< In a thread of its own
} host_worker;

typedef struct host host;

/// The world of LV2_PATH, made once
LilvWorld* host_world(void);

const LilvPlugin* host_plugin(const char* uri);

/// Map a URI, as the host does for plugins
LV2_URID_Map* host_map(void);

LV2_URID_Unmap* host_unmap(void);

/// Make and activate an instance, its ports at their defaults; NULL if the
/// plugin refuses
host* host_new(const char* uri, double rate_hz, host_worker worker);

void host_free(host* h);

LilvInstance* host_instance(host* h);

/// Value of a control port, to be set or read between calls
float* host_port(host* h, port_index port);

/// Run the plugin once; the responses of the worker come after that
void host_run(host* h, const float* const* in, float* const* out, size_t n);

/// Process `n_frames` frames in calls of `block`, 0: of ever changing length
void host_process(host*               h,
                  const float* const* in,
                  float* const*       out,
                  size_t              n_frames,
                  size_t              block);

/// Send a MIDI message of three bytes with the next run, at a frame of it
void host_send_midi(host* h, uint32_t frame, const uint8_t* bytes);

/// Send patch:Set of the model file with the next run
void host_set_model(host* h, const char* path);

/// Send patch:Get with the next run
void host_get_model(host* h);

/// What the last patch:Set from the plugin said, forgotten by this call; NULL:
/// there was none
const char* host_told(host* h);

/// Do the work that is due; return how many orders that were
unsigned host_work(host* h);

/// Wait until the thread of the worker has nothing to do
void host_wait(host* h);

/// Let schedule_work() fail from now on
void host_refuse_work(host* h, bool is_refused);

/// Copy a file of models; failures end the test
void host_copy_file(const char* from, const char* to);

/// What was logged last, forgotten by this call; "" if nothing was
const char* host_logged(void);

/// Call these around every call that a host makes in its audio thread
void host_watch(host* h, void (*enter_run)(void), unsigned (*leave_run)(void));

/// Return the sum of what `leave_run` returned
unsigned host_watched(const host* h);

#endif /* HOST_H */
