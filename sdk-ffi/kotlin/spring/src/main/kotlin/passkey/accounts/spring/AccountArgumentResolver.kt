package passkey.accounts.spring

import java.util.Optional
import org.springframework.core.MethodParameter
import org.springframework.web.bind.support.WebDataBinderFactory
import org.springframework.web.context.request.NativeWebRequest
import org.springframework.web.context.request.RequestAttributes
import org.springframework.web.method.support.HandlerMethodArgumentResolver
import org.springframework.web.method.support.ModelAndViewContainer
import passkey.accounts.Account

/**
 * Gives handlers who take an [Account] the one that sent the request, as [PasskeyAccountsFilter] has found it. Where the filter
 * lets requests without proof through, take it as `Optional<Account>` or, in Kotlin, `Account?`.
 *
 * ```java
 * @Configuration
 * class Web implements WebMvcConfigurer {
 *     @Override
 *     public void addArgumentResolvers(List<HandlerMethodArgumentResolver> resolvers) {
 *         resolvers.add(new AccountArgumentResolver());
 *     }
 * }
 *
 * @GetMapping("/whoami")
 * String whoAmI(Account account) {
 *     return account.getAccountId();
 * }
 * ```
 */
public class AccountArgumentResolver : HandlerMethodArgumentResolver {
    override fun supportsParameter(parameter: MethodParameter): Boolean =
        parameter.nestedIfOptional().nestedParameterType == Account::class.java

    override fun resolveArgument(
        parameter: MethodParameter,
        container: ModelAndViewContainer?,
        request: NativeWebRequest,
        binders: WebDataBinderFactory?,
    ): Any? {
        val account = request.getAttribute(PasskeyAccountsFilter.ATTRIBUTE, RequestAttributes.SCOPE_REQUEST)
        check(account != null || parameter.isOptional) {
            "nobody is known to have sent this: PasskeyAccountsFilter does not cover it, or lets requests without proof through"
        }
        return if (parameter.parameterType == Optional::class.java) Optional.ofNullable(account) else account
    }
}
