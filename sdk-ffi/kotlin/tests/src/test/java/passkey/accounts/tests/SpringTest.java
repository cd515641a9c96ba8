package passkey.accounts.tests;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.servlet.context.ServletWebServerApplicationContext;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.method.support.HandlerMethodArgumentResolver;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;
import passkey.accounts.Account;
import passkey.accounts.Accounts;
import passkey.accounts.async.AsyncAccounts;
import passkey.accounts.spring.AccountArgumentResolver;
import passkey.accounts.spring.PasskeyAccountsFilter;

/** Spring Boot with its own server, on a real socket. */
class SpringTest {
    @Test
    void signedRequestsReachTheirHandlerWithAccountAndBodyAndNoOthers() {
        var application = new SpringApplicationBuilder(Application.class)
                .properties("server.port=0", "logging.level.root=warn", "spring.main.banner-mode=off");
        try (var context = application.run()) {
            new AsyncAccounts(context.getBean(Accounts.class)).getSessions().inSync().join();
            MiddlewareCasesKt.checkMiddleware(((ServletWebServerApplicationContext) context).getWebServer().getPort());
        }
    }

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Application implements WebMvcConfigurer {
        @Bean
        Accounts accounts() {
            return Accounts.connect(WorldKt.getURL(), WorldKt.getAPI_KEY(), List.of(WorldKt.ORIGIN));
        }

        @Bean
        FilterRegistrationBean<PasskeyAccountsFilter> notesFilter(Accounts accounts) {
            var filter = new FilterRegistrationBean<>(new PasskeyAccountsFilter(accounts, false, 100_000));
            filter.addUrlPatterns("/notes");
            return filter;
        }

        @Bean
        FilterRegistrationBean<PasskeyAccountsFilter> openFilter(Accounts accounts) {
            var filter = new FilterRegistrationBean<>(new PasskeyAccountsFilter(accounts, true));
            filter.setName("open");
            filter.addUrlPatterns("/open");
            return filter;
        }

        @Bean
        Routes routes() {
            return new Routes();
        }

        @Override
        public void addArgumentResolvers(List<HandlerMethodArgumentResolver> resolvers) {
            resolvers.add(new AccountArgumentResolver());
        }
    }

    @RestController
    static class Routes {
        @GetMapping("/notes")
        Map<String, String> read(Account account) {
            return Map.of("accountID", account.getAccountId());
        }

        @PostMapping("/notes")
        Map<String, String> write(Account account, @RequestBody Map<String, String> note) {
            return Map.of("accountID", account.getAccountId(), "text", note.get("text"));
        }

        @GetMapping("/open")
        Map<String, String> open(Optional<Account> account) {
            var said = new HashMap<String, String>();
            said.put("accountID", account.map(Account::getAccountId).orElse(null));
            return said;
        }
    }
}
