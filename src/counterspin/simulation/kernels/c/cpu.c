/* What a caller asks before anything else: the library's layout, and which copy of the kernel this processor can run
 * (x86-64 micro-architecture levels). */
#include "program.h"

int counterspin_layout(void) { return LAYOUT; }

const char *counterspin_best_variant(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"))
        return "v4";
    if (v3) return "v3";
#endif
    return "default";
}
