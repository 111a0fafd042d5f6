/* A function of OpenSSL's name in another library: whoever looks for it in the whole program finds this one. */

int SSL_has_pending(const void *ssl) {
    (void)ssl;
    return 0;
}
