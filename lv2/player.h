/** @file
 * Which sound plays. The audio thread asks for one; what it no longer uses it
 * leaves to other threads to free.
 */
#ifndef MAUDIO_LV2_PLAYER_H
#define MAUDIO_LV2_PLAYER_H

#include "sound.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct {
  sound_spec      spec;
  maudio_effect*  effect; ///< What plays denoisers, NULL for generators
  sound*          factory[MAX_FACTORY];
  unsigned        n_factory;
  pthread_mutex_t mutex; ///< Held while garbage is freed or a path is read

  // Between threads
  _Atomic(sound*) shown;    ///< What plays or is about to, for other threads
  _Atomic(sound*) restored; ///< To be played: from a saved state
  _Atomic(sound*) garbage;  ///< List, to be freed off the audio thread

  // The audio thread's
  sound* wanted; ///< What is to be heard in the end
  sound* asked;  ///< What plays, or what the effect was asked for last
  sound* files;  ///< List of the sounds of files that are in use
} player;

/// Make the factory presets, of which the first plays
maudio_status
player_init(player* p, const sound_spec* spec, maudio_error* error);

/// Free everything; after a player_init() that failed, too
void player_clear(player* p);

/// Play `s`: one of the factory's, or of a file, which is then the player's.
/// A generator plays at once; a factory preset that the effect still uses for a
/// change comes when that is over
MAUDIO_RT void player_want(player* p, sound* s);

/// Take back what the effect has done with, go on with what is wanted
MAUDIO_RT void player_update(player* p);

/// Leave a sound to player_sweep()
MAUDIO_RT void player_discard(player* p, sound* s);

/// Return whether player_sweep() has something to do
MAUDIO_RT bool player_has_garbage(player* p);

/// Free what was discarded; any thread but the audio thread
void player_sweep(player* p);

/// Hand over a sound that the audio thread will get from player_restored();
/// `p->factory[0]` stands for whichever factory preset is chosen there
void player_restore(player* p, sound* s);

/// Return what player_restore() handed over, once, or NULL
MAUDIO_RT sound* player_restored(player* p);

/// Return the path of the file that plays, to be freed with free(), or NULL
/// for a factory preset; any thread but the audio thread
char* player_copy_path(player* p);

#endif /* MAUDIO_LV2_PLAYER_H */
