#include "check.h"

int check_failures;
int check_passed;
int check_failed;

int check_summary(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed == 0 ? 0 : 1;
}
